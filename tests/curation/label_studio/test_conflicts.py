"""Annotations that change or contradict each other: nothing is overwritten."""

from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from curation.models import Decision, ExternalLink, Review, Task
from tests.curation.label_studio.cast import (
    ALICE,
    BOB,
    candidate,
    pull,
    reviews,
    verdict,
    verdict_for,
)
from tests.curation.label_studio.server import Server

pytestmark = pytest.mark.django_db


def conflicts() -> list[str]:
    links = ExternalLink.objects.filter(object_type="annotation").exclude(conflict="")
    return list(links.values_list("conflict", flat=True))


def test_a_person_who_changes_their_mind_gets_another_round(
    server: Server, pair: Task, remote: dict[str, Any]
):
    red, blue = candidate(pair, "red"), candidate(pair, "blue")
    made = server.annotate(remote, verdict_for(remote, red))
    pull()

    server.change(remote, made, result=[verdict_for(remote, blue)])
    pull()

    assert reviews() == [
        (ALICE, "win", red.pk, "retracted"),
        (ALICE, "win", blue.pk, "submitted"),
    ]
    assert conflicts() == []
    assert Decision.objects.get(is_current=True).answer_candidate_id == blue.pk


def test_what_another_person_overwrote_is_kept_beside_it(
    server: Server, pair: Task, remote: dict[str, Any]
):
    red, blue = candidate(pair, "red"), candidate(pair, "blue")
    made = server.annotate(remote, verdict_for(remote, red))
    pull()

    server.change(remote, made, result=[verdict_for(remote, blue)], updated_by=2)
    pull()

    assert reviews() == [
        (ALICE, "win", red.pk, "submitted"),
        (BOB, "win", blue.pk, "submitted"),
    ]
    assert conflicts() == ["Another person changed this annotation in Label Studio."]
    pair.refresh_from_db()
    assert pair.state == "flagged"


def test_an_overwritten_annotation_that_was_never_seen_before(
    server: Server, pair: Task, remote: dict[str, Any]
):
    server.annotate(remote, verdict("Tie"), updated_by=2)

    pull()

    assert reviews() == [(BOB, "tie", None, "submitted")]
    assert conflicts() == ["Another person changed this annotation in Label Studio."]


def test_a_review_that_was_changed_on_both_sides_is_kept(
    server: Server, pair: Task, remote: dict[str, Any]
):
    made = server.annotate(remote, verdict("Tie"))
    pull()
    Review.objects.update(note="A lead looked at it.", version=1)

    server.change(remote, made, result=[verdict("Both bad")])
    pull()

    assert [row[1::2] for row in reviews()] == [
        ("tie", "submitted"),
        ("both_bad", "submitted"),
    ]
    assert conflicts() == ["It was changed here and in Label Studio."]


def test_two_annotations_of_one_person_that_contradict_each_other(
    server: Server, pair: Task, remote: dict[str, Any]
):
    server.annotate(remote, verdict("Tie"))
    server.annotate(remote, verdict("Both bad"))

    pull()

    assert list(Review.objects.values_list("round", flat=True)) == [1, 2]
    assert conflicts() == ["The same person annotated the task twice, and differently."]


def test_two_people_are_two_reviews(server: Server, pair: Task, remote: dict[str, Any]):
    server.annotate(remote, verdict("Tie"))
    server.annotate(remote, verdict("Tie"), user=2)

    pull()

    assert [row[0] for row in reviews()] == [ALICE, BOB]
    assert conflicts() == []


def test_a_deleted_annotation_is_retracted(
    server: Server, pair: Task, remote: dict[str, Any]
):
    server.annotate(remote, verdict("Both bad"))
    pull()

    remote["annotations"].clear()
    said = pull("--all")

    assert "1 gone" in said
    assert reviews() == [(ALICE, "both_bad", None, "retracted")]
    assert not Decision.objects.filter(is_current=True).exists()


def test_conflicts_are_seen_in_the_admin(
    server: Server, pair: Task, remote: dict[str, Any]
):
    server.annotate(remote, verdict("Tie"), updated_by=2)
    pull()
    get_user_model().objects.create_superuser("root", "root@example.com", "pw")
    admin = Client()
    admin.login(username="root", password="pw")

    page = admin.get("/admin/vllm_curation/externallink/?conflict=yes")

    assert page.status_code == 200
    assert "Another person changed this annotation" in page.content.decode()
