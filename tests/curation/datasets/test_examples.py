"""Which examples reviews make."""

import pytest

from curation.models import Item
from tests.curation.datasets.reviewed import (
    correct,
    freeze,
    pairs,
    payloads,
    permit,
    reviewed,
    said,
    texts_of,
    won,
)
from tests.curation.review.desk import Desk, make_queue, make_task

pytestmark = pytest.mark.django_db


def test_a_winner_makes_a_pair_with_each_loser():
    permit()
    queue = make_queue(mode="rank")
    task = make_task(queue, "best", "middling", "worst")
    desk = Desk(queue)
    review = desk.next()
    order = [review.shown_order.index(pk) for pk in task.candidate_ids]
    assert desk.submit(review, ranking=order).status_code == 200

    version = freeze(queue)

    assert sorted(pairs(version)) == [("best", "middling"), ("best", "worst")]


def test_a_correction_beats_what_it_corrects():
    permit()
    queue = make_queue()
    task = correct(Desk(queue), "Corrected.")
    wrong, worse = texts_of(task)

    version = freeze(queue)

    assert sorted(pairs(version)) == sorted([("Corrected.", wrong), (wrong, worse)])


@pytest.mark.parametrize("outcome", ["tie", "both_bad", "skip"])
def test_no_pair_is_made_where_nobody_won(outcome):
    queue = reviewed(1)
    make_task(queue, "like", "alike")

    Desk(queue).judge(outcome)

    assert len(pairs(freeze(queue))) == 1


def test_an_undone_review_makes_no_pair():
    queue = reviewed(1)
    desk = Desk(queue)
    review = won(desk).reviews.get()
    assert desk.undo(review).status_code == 200

    assert len(pairs(freeze(queue))) == 1


def test_a_task_without_a_majority_makes_no_pair():
    queue = reviewed(1)
    other = make_queue(queue.project, reviews_required=2)
    task = make_task(other, "one", "two")
    Desk(other).vote_for(task.candidate_ids[0])
    Desk(other).vote_for(task.candidate_ids[1])

    assert len(pairs(freeze(queue))) == 1


def test_contradicting_tasks_make_no_pair():
    queue = reviewed(1)
    first = won(Desk(queue), "one", "two")
    other = make_queue(queue.project)
    second = make_task(other, item=first.item)
    second.candidate_ids = first.candidate_ids
    second.save()
    Desk(other).vote_for(first.candidate_ids[1])

    version = freeze(queue)

    assert len(pairs(version)) == 1
    assert version.reports["skipped"] == {"contradictory": 1}


def test_sft_has_the_answer_that_stands():
    permit()
    queue = make_queue()
    won(Desk(queue), "Yes.", "No.", prompt="One?")
    correct(Desk(queue), "Corrected.")

    version = freeze(queue, "sft")

    assert [said(p["completion"]) for p in payloads(version)] == ["Yes.", "Corrected."]
    assert payloads(version)[0]["prompt"] == [{"role": "user", "content": "One?"}]


def test_kto_has_labels():
    permit()
    queue = make_queue(mode="single")
    make_task(queue, "fine")
    Desk(queue).judge("win")
    make_task(queue, "awful")
    Desk(queue).judge("both_bad")

    found = {said(p["completion"]): p["label"] for p in payloads(freeze(queue, "kto"))}

    assert found == {"fine": True, "awful": False}


def test_icl_has_gold_of_train_only():
    permit()
    queue = make_queue()
    gold = won(Desk(queue), "kept", "x", is_gold=True)
    won(Desk(queue), "no star", "x")
    held = won(Desk(queue), "held out", "x", is_gold=True)
    Item.objects.filter(pk=gold.item_id).update(split_lock="train")
    Item.objects.filter(pk=held.item_id).update(split_lock="test")

    version = freeze(queue, "icl")

    assert [said(p["completion"]) for p in payloads(version)] == ["kept"]
