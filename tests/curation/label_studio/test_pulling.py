"""Annotations come back as reviews, revisions and decisions."""

from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.core.management import CommandError

from accounts.models import Membership, Project
from curation.models import (
    Candidate,
    Decision,
    LabelStudioProject,
    Review,
    Revision,
    Task,
)
from tests.curation.label_studio.cast import (
    ALICE,
    BOB,
    candidate,
    correction,
    gold,
    make_batch_of,
    pull,
    push_all,
    reviews,
    verdict,
    verdict_for,
)
from tests.curation.label_studio.server import Server

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("model", ["red", "blue"])
def test_a_verdict_goes_to_the_answer_that_stood_there(
    server: Server, pair: Task, remote: dict[str, Any], model: str
):
    winner = candidate(pair, model)
    server.annotate(remote, verdict_for(remote, winner))

    pull()

    assert reviews() == [(ALICE, "win", winner.pk, "submitted")]
    review = Review.objects.get()
    assert review.shown_order == list(remote["data"]["shown"].values())
    assert review.active_ms == 2500
    assert Decision.objects.get(is_current=True).answer_candidate_id == winner.pk


@pytest.mark.parametrize(
    ("word", "outcome"), [("Tie", "tie"), ("Both bad", "both_bad")]
)
def test_ties_and_both_bad(
    server: Server, remote: dict[str, Any], word: str, outcome: str
):
    server.annotate(remote, verdict(word))

    pull()

    assert reviews() == [(ALICE, outcome, None, "submitted")]


def test_a_skipped_task_is_a_skip_and_leaves_its_slot(
    server: Server, pair: Task, remote: dict[str, Any]
):
    server.annotate(remote, was_cancelled=True)

    pull()

    assert reviews() == [(ALICE, "skip", None, "submitted")]
    pair.refresh_from_db()
    assert (pair.state, pair.open_slots) == ("open", 1)


def test_an_annotation_without_a_verdict_is_flagged(
    server: Server, pair: Task, remote: dict[str, Any]
):
    server.annotate(remote, gold())

    pull()

    assert reviews() == [(ALICE, "flag", None, "submitted")]
    pair.refresh_from_db()
    assert pair.state == "flagged"


def test_a_correction_becomes_a_revision_and_the_decision(
    server: Server, pair: Task, remote: dict[str, Any]
):
    winner = candidate(pair, "blue")
    said = [verdict_for(remote, winner), correction("blue says **0**!"), gold()]
    server.annotate(remote, *said)

    pull()

    revision = Revision.objects.get()
    assert (revision.text, revision.candidate_id) == ("blue says **0**!", winner.pk)
    assert 0 < revision.edit_ratio < 0.5
    decision = Decision.objects.get(is_current=True)
    assert (decision.answer_revision_id, decision.is_gold) == (revision.pk, True)


def test_a_copy_of_an_answer_is_no_correction(
    server: Server, pair: Task, remote: dict[str, Any]
):
    red, blue = candidate(pair, "red"), candidate(pair, "blue")
    server.annotate(remote, verdict_for(remote, red), correction(f"{blue.text}\n"))

    pull()

    assert not Revision.objects.exists()


def test_a_correction_where_both_are_bad_is_of_the_closest(
    server: Server, pair: Task, remote: dict[str, Any]
):
    server.annotate(remote, verdict("Both bad"), correction("blue says naught"))

    pull()

    assert Revision.objects.get().candidate_id == candidate(pair, "blue").pk


def test_the_star_of_label_studio_is_gold(
    server: Server, pair: Task, remote: dict[str, Any]
):
    winner = candidate(pair, "red")
    server.annotate(remote, verdict_for(remote, winner), ground_truth=True)

    pull()

    assert Decision.objects.get(is_current=True).is_gold


def test_pulling_again_records_nothing_new(
    server: Server, pair: Task, remote: dict[str, Any]
):
    server.annotate(remote, verdict("Tie"))
    pull()

    assert "0 annotations recorded" in pull()
    assert "0 annotations recorded" in pull("--all")
    assert len(reviews()) == 1


def test_a_member_of_the_project_is_recognised_by_the_address(
    server: Server, project: Project, pair: Task, remote: dict[str, Any]
):
    users = get_user_model().objects
    member = users.create_user("alice", email="A@example.com")
    stranger = users.create_user("admin", email="b@example.com", is_superuser=True)
    Membership.objects.create(project=project, user=member)
    server.annotate(remote, verdict("Tie"))
    server.annotate(remote, verdict("Tie"), user=2)

    pull()

    assert [row[0] for row in reviews()] == ["alice", BOB]
    other = get_user_model().objects.get(username=BOB)
    assert other.pk != stranger.pk
    assert not other.is_active and not other.has_usable_password()


@pytest.mark.parametrize(
    "fields",
    [
        {"result": [verdict("A better"), verdict("B better")]},
        {"result": [verdict("Whatever")]},
        {"result": "no list"},
        {"result": [{"from_name": "verdict", "type": "choices"}]},
        {"completed_by": None},
        {"id": "x"},
    ],
)
def test_what_cannot_be_read_is_counted_and_harms_nothing(
    server: Server, pair: Task, remote: dict[str, Any], fields: dict[str, Any]
):
    server.annotate(remote, **fields)
    server.annotate(remote, verdict("Tie"), user=2)

    assert "1 annotations recorded, 0 gone, 1 unreadable" in pull()


def test_tasks_of_others_are_left_alone(
    server: Server, pair: Task, remote: dict[str, Any]
):
    for ext_id in (None, 7, "x", "task:1:", f"task:{pair.pk}:0000", f"task:{9**25}:0"):
        pk = max(server.tasks) + 1
        other = {**remote, "id": pk, "data": {**remote["data"], "ext_id": ext_id}}
        server.tasks[pk] = {**other, "annotations": []}
        server.annotate(server.tasks[pk], verdict("Tie"))

    assert "0 annotations recorded" in pull()
    assert len(server.tasks) == 7


def test_a_double_is_removed_unless_somebody_annotated_it(
    server: Server, pair: Task, remote: dict[str, Any]
):
    # An import that the server finished after we had given up on it.
    server.tasks[8] = {**remote, "id": 8, "annotations": []}
    server.tasks[9] = {**remote, "id": 9, "annotations": []}
    server.annotate(server.tasks[9], verdict("Tie"))

    pull()
    pull("--all")

    assert sorted(server.tasks) == [remote["id"], 9]
    assert reviews() == [(ALICE, "tie", None, "submitted")]


def test_a_pull_goes_over_many_pages(server: Server, project: Project):
    for model in ("red", "blue"):
        make_batch_of(project, model, 250)
    push_all()
    for remote in server.tasks.values():
        server.annotate(remote, verdict("Tie"))

    assert "250 annotations recorded" in pull()


def test_a_pull_that_breaks_off_goes_on(
    server: Server, pair: Task, remote: dict[str, Any]
):
    server.annotate(remote, verdict("Tie"))
    server.faults.append(("GET", "/api/tasks", "after"))

    with pytest.raises(CommandError, match="does not answer"):
        pull()
    assert LabelStudioProject.objects.get().last_error

    pull()
    assert len(reviews()) == 1
    assert LabelStudioProject.objects.get().last_error == ""


def test_only_what_changed_is_read_again(
    server: Server, pair: Task, remote: dict[str, Any]
):
    pull()
    cursor = LabelStudioProject.objects.get().cursor
    remote["updated_at"] = "2020-01-01T00:00:00.000000Z"
    server.annotate(remote, verdict("Tie"))
    remote["updated_at"] = "2020-01-01T00:00:00.000000Z"

    assert cursor is not None
    assert "0 annotations recorded" in pull()
    assert "1 annotations recorded" in pull("--all")


def test_single_answers_are_good_or_bad(server: Server, project: Project):
    make_batch_of(project, "red", 2, curation_mode="single")
    push_all()
    good, bad = server.tasks.values()
    wrong = Candidate.objects.get(pk=bad["data"]["shown"]["a"])
    server.annotate(good, verdict("Good"), gold())
    server.annotate(bad, verdict("Bad"), correction(f"{wrong.text}, rightly"))

    pull()

    assert [row[1] for row in reviews()] == ["win", "both_bad"]
    assert Revision.objects.get().candidate == wrong
