"""What reviews amount to: decisions, disagreement, a lead's word."""

from typing import Any

import pytest

from curation.models import Decision, Review, Task
from tests.curation.review.desk import ROOT, Desk, make_queue, make_task

pytestmark = pytest.mark.django_db


def current() -> Any:
    return Decision.objects.filter(is_current=True).first()


def test_one_review_decides_where_one_is_required():
    queue = make_queue()
    task = make_task(queue)
    desk = Desk(queue)

    desk.vote_for(task.candidate_ids[1], is_gold=True)

    task.refresh_from_db()
    decision = current()
    assert (
        task.state == "done" and decision.answer_candidate_id == task.candidate_ids[1]
    )
    assert (decision.method, decision.decided_by) == ("single", desk.user)
    assert decision.is_gold


@pytest.mark.parametrize("outcome", ["tie", "both_bad"])
def test_no_winner_means_no_answer(outcome):
    queue = make_queue()
    make_task(queue)

    Desk(queue).judge(outcome)

    assert current().answer_candidate is None and current().answer_revision is None


def test_both_bad_with_a_correction_has_an_answer():
    queue = make_queue()
    make_task(queue)

    Desk(queue).judge("both_bad", edits={"0": "right at last"})

    assert current().answer_revision.text == "right at last"


def test_nothing_is_decided_before_enough_reviews():
    queue = make_queue(reviews_required=2)
    task = make_task(queue)

    Desk(queue).vote_for(task.candidate_ids[0])

    task.refresh_from_db()
    assert (task.state, task.open_slots) == ("open", 1) and current() is None


def test_the_majority_decides():
    queue = make_queue(reviews_required=3)
    task = make_task(queue)
    good, bad = task.candidate_ids

    for candidate in (good, bad, good):
        Desk(queue).vote_for(candidate)

    assert current().answer_candidate_id == good and current().method == "majority"


def test_disagreement_waits_for_a_lead():
    queue = make_queue(reviews_required=2)
    task = make_task(queue)

    for candidate in task.candidate_ids:
        Desk(queue).vote_for(candidate)

    task.refresh_from_db()
    assert task.state == "flagged" and current() is None


def test_different_corrections_of_the_winner_wait_for_a_lead():
    queue = make_queue(reviews_required=2)
    task = make_task(queue)
    for text in ("one way", "another way"):
        desk = Desk(queue)
        review = desk.next()
        side = review.shown_order.index(task.candidate_ids[0])
        desk.submit(review, side=side, edits={str(side): text})

    task.refresh_from_db()
    assert task.state == "flagged"


def test_a_flag_sends_the_task_to_a_lead_and_undo_brings_it_back():
    queue = make_queue()
    task = make_task(queue)
    desk = Desk(queue)
    review = desk.judge("flag", note="hate speech")
    task.refresh_from_db()
    assert task.state == "flagged" and Desk(queue).next() is None

    desk.undo(review)

    task.refresh_from_db()
    assert task.state == "open"


def flagged_task(**fields):
    queue = make_queue(reviews_required=2, **fields)
    task = make_task(queue)
    for candidate in task.candidate_ids:
        Desk(queue, username=f"reviewer of {candidate}").vote_for(candidate)
    task.refresh_from_db()
    return task


def decide(task: Task, **form):
    lead = Desk(task.queue, role="lead")
    return lead.client.post(
        f"{ROOT}tasks/{task.pk}/", {"version": task.version, **form}
    )


def test_a_lead_sees_who_said_what_but_no_model():
    task = flagged_task()
    lead = Desk(task.queue, role="lead")

    listed = lead.get(f"{task.queue_id}/flagged/").content.decode()
    page = lead.get(f"tasks/{task.pk}/").content.decode()

    assert f"tasks/{task.pk}/" in listed and "Which?" in listed
    assert "B is better" in page and f"reviewer of {task.candidate_ids[0]}" in page
    assert "secret-model" not in page


def test_a_leads_word_decides():
    task = flagged_task()

    decide(task, verdict="1", is_gold="on")

    task.refresh_from_db()
    assert task.state == "done" and current().method == "adjudicated"
    assert current().answer_candidate_id == task.candidate_ids[1] and current().is_gold


def test_a_leads_correction_is_the_answer():
    task = flagged_task()

    decide(task, **{"verdict": "0", "edit-0": "as it\r\nshould be"})

    assert current().answer_revision.text == "as it\nshould be"


def test_a_stale_page_of_a_lead_decides_nothing():
    task = flagged_task()
    decide(task, verdict="0")

    response = decide(task, verdict="1")

    assert response.status_code == 409
    assert current().answer_candidate_id == task.candidate_ids[0]


@pytest.mark.parametrize("verdict", ["7", "-1", "", "x" * 50])
def test_a_verdict_for_nothing_is_refused(verdict):
    task = flagged_task()

    assert decide(task, verdict=verdict).status_code == 400
    assert current() is None


def test_a_leads_word_outlasts_a_reviewers_undo():
    task = flagged_task()
    decide(task, verdict="0")
    review = Review.objects.filter(status="submitted")[0]
    desk = Desk(task.queue, review.reviewer)

    desk.undo(review)

    task.refresh_from_db()
    assert task.state == "done" and current().method == "adjudicated"


def test_sending_back_lets_the_same_people_judge_again():
    task = flagged_task()
    person = Review.objects.all()[0].reviewer

    decide(task, verdict="send_back")

    task.refresh_from_db()
    assert (task.state, task.open_slots) == ("open", 2)
    assert Desk(task.queue, person).next().round == 2


def test_taking_out_ends_a_task_without_a_decision():
    task = flagged_task()

    decide(task, verdict="void")

    task.refresh_from_db()
    assert task.state == "void" and current() is None


def test_a_later_decision_supersedes_and_its_undo_brings_the_first_back():
    first_queue = make_queue()
    task = make_task(first_queue)
    Desk(first_queue).vote_for(task.candidate_ids[0])
    first = current()
    second_queue = make_queue(first_queue.project)
    make_task(second_queue, item=task.item)
    desk = Desk(second_queue)

    review = desk.judge()
    assert current().supersedes == first

    desk.undo(review)
    assert current() == first
