"""A lead chooses one of several corrections; the others stay."""

from typing import Any

import pytest

from curation.models import Decision, Revision, Task
from tests.curation.review.desk import ROOT, Desk, make_queue, make_task

pytestmark = pytest.mark.django_db


def current() -> Any:
    return Decision.objects.filter(is_current=True).first()


def decide(task: Task, **form: Any) -> Any:
    lead = Desk(task.queue, role="lead")
    return lead.client.post(
        f"{ROOT}tasks/{task.pk}/", {"version": task.version, **form}
    )


def corrected_task(*texts: str) -> tuple[Task, list[Revision]]:
    """A task whose first answer each reviewer corrected in another way."""
    queue = make_queue(reviews_required=len(texts))
    task = make_task(queue, "the red old cat", "a dog")
    for number, text in enumerate(texts):
        desk = Desk(queue, username=f"reviewer-{number}")
        review = desk.next()
        side = review.shown_order.index(task.candidate_ids[0])
        desk.submit(review, side=side, edits={str(side): text})
    task.refresh_from_db()
    return task, list(Revision.objects.order_by("pk"))


def test_a_lead_chooses_one_of_several_corrections_and_keeps_the_others():
    task, revisions = corrected_task("the blue old cat", "the red young cat")

    decide(task, verdict=f"revision-{revisions[1].pk}", is_gold="on")

    task.refresh_from_db()
    assert task.state == "done" and current().method == "adjudicated"
    assert current().answer_revision == revisions[1] and current().is_gold
    assert list(Revision.objects.order_by("pk")) == revisions


def test_a_lead_sees_each_correction_against_the_original_and_the_others():
    task, revisions = corrected_task("the blue old cat", "the red young cat")

    page = Desk(task.queue, role="lead").get(f"tasks/{task.pk}/").content.decode()

    _, first, second, between = page.split('<section class="correction"')
    assert "the <del>red</del><ins>blue</ins> old cat" in first
    assert "the red <del>old</del><ins>young</ins> cat" in second
    assert "A: reviewer-0, and what reviewer-1 has instead" in between
    assert "<del>blue old</del>" in between or "<del>blue</del>" in between
    # Answers are 1 and 2; corrections go on from there.
    for key, revision in zip("34", revisions, strict=True):
        button = f'value="revision-{revision.pk}" class="strong" data-key="{key}"'
        assert button in page


def test_many_corrections_cost_the_server_so_much_and_no_more():
    task, _ = corrected_task(*(f"the cat, version {n}" for n in range(8)))

    page = Desk(task.queue, role="lead").get(f"tasks/{task.pk}/").content.decode()

    # Two answers, eight corrections, and none of them.
    assert page.count("stands</span></button>") == 2 + 8 + 1
    assert page.count('class="diff"') == 12 and "more corrections than" in page


@pytest.mark.parametrize("number", ["999999", "0", "x", "9" * 30, ""])
def test_a_correction_that_is_none_is_refused(number):
    task, _ = corrected_task("one way", "another way")

    response = decide(task, verdict=f"revision-{number}")

    assert response.status_code in (400, 409) and current() is None


def test_a_correction_of_another_task_is_refused():
    task, _ = corrected_task("one way", "another way")
    other = make_task(task.queue)
    Desk(task.queue).judge(edits={"0": "elsewhere"})
    foreign = Revision.objects.get(text="elsewhere")

    response = decide(task, verdict=f"revision-{foreign.pk}")

    assert response.status_code == 409 and foreign.item_id == other.item_id
    task.refresh_from_db()
    assert task.state == "flagged"


def test_a_correction_that_was_taken_back_meanwhile_is_refused():
    task, revisions = corrected_task("one way", "another way")
    review = revisions[0].review
    assert review is not None
    Desk(task.queue, review.reviewer).undo(review)
    task.refresh_from_db()

    response = decide(task, verdict=f"revision-{revisions[0].pk}")

    assert response.status_code == 409 and "taken back" in response.content.decode()
    assert current() is None
