"""What a lead decides, and what becomes gold, is in the audit log."""

from typing import Any

import pytest

from curation.models import AuditEvent, Item, Queue, Revision, Task
from tests.curation.audit.log import said
from tests.curation.review.desk import ROOT, Desk, make_queue, make_task

pytestmark = pytest.mark.django_db


@pytest.fixture
def queue() -> Queue:
    return make_queue(reviews_required=2)


@pytest.fixture
def task(queue: Queue) -> Task:
    """A task on which two reviewers disagree; both corrected the first answer."""
    task = make_task(queue)
    for name in ("ann", "bob"):
        desk = Desk(queue, username=name)
        review = desk.next()
        side = review.shown_order.index(task.candidate_ids[0])
        desk.submit(review, side=side, edits={str(side): f"{name}'s secret text"})
    task.refresh_from_db()
    return task


def decide(task: Task, **form: Any) -> Any:
    lead = Desk(task.queue, username="lea", role="lead")
    task.refresh_from_db()
    url = f"{ROOT}tasks/{task.pk}/"
    return lead.client.post(url, {"version": task.version, **form})


def test_a_decision(task: Task):
    decide(task, verdict="1")

    answer = task.candidate_ids[1]
    assert said() == [("lea", "decided", f"answer {answer}")]
    event = AuditEvent.objects.get()
    assert (event.project, event.item) == (task.queue.project, task.item)
    assert (event.object_type, event.object_id) == ("task", str(task.pk))


def test_a_decision_for_none_and_one_with_a_correction(task: Task):
    decide(task, verdict="none")
    task.queue.assignees.clear()
    lead = Desk(task.queue, username="leo", role="lead")
    task.refresh_from_db()
    form = {"version": task.version, "verdict": "0", "edit-0": "my own"}
    lead.client.post(f"{ROOT}tasks/{task.pk}/", form)

    own = Revision.objects.get(author=lead.user)
    first = task.candidate_ids[0]
    assert said() == [
        ("lea", "decided", "none of the answers"),
        ("leo", "decided", f"answer {first}, corrected: revision {own.pk}"),
    ]


def test_a_correction_that_was_chosen(task: Task):
    chosen = Revision.objects.get(author__username="bob")

    decide(task, verdict=f"revision-{chosen.pk}", is_gold="on")

    detail = f"revision {chosen.pk} of answer {chosen.candidate_id}, by bob"
    assert said() == [("lea", "correction_chosen", detail), ("lea", "gold_set", "")]


@pytest.mark.parametrize(
    ("verdict", "action"), [("send_back", "sent_back"), ("void", "taken_out")]
)
def test_sending_back_and_taking_out(task: Task, verdict: str, action: str):
    decide(task, verdict=verdict)

    assert said() == [("lea", action, "")]


def test_a_star_that_counts_and_its_undo():
    queue = make_queue()
    task = make_task(queue)
    desk = Desk(queue, username="ann")
    review = desk.vote_for(task.candidate_ids[0], is_gold=True)

    desk.undo(review)

    assert said() == [("ann", "gold_set", ""), ("ann", "gold_taken", "")]


def test_a_star_that_decides_nothing_yet_is_the_reviews_own(queue: Queue):
    task = make_task(queue)

    Desk(queue).vote_for(task.candidate_ids[0], is_gold=True)

    assert said() == []


def test_a_refused_word_leaves_no_row(task: Task):
    lead = Desk(task.queue, role="lead")
    form = {"version": task.version + 1, "verdict": "0"}

    assert lead.client.post(f"{ROOT}tasks/{task.pk}/", form).status_code == 409

    assert said() == []


def test_no_row_has_a_text_of_a_prompt_or_an_answer(task: Task):
    decide(task, verdict="0", is_gold="on")

    words = " ".join(str(row) for row in AuditEvent.objects.values_list())
    for text in ("secret text", "first answer", "Which?"):
        assert text not in words


def test_the_page_where_a_lead_decides_tells_the_prompts_history(task: Task):
    decide(task, verdict="1")
    other = make_task(task.queue, item=Item.objects.create(
        project=task.queue.project, input={}, input_hash="another"
    ))  # fmt: skip
    lead = Desk(task.queue, role="lead")

    page = " ".join(lead.get(f"tasks/{task.pk}/").content.decode().split())
    elsewhere = lead.get(f"tasks/{other.pk}/").content.decode()

    assert "What was done with this prompt" in page
    assert f"<b>lea</b> decided as a lead: Task {task.pk}" in page
    assert "What was done" not in elsewhere
