"""Leases: nobody gets what somebody else has, and nothing that was written is lost."""

import threading
from collections import Counter
from datetime import timedelta

import pytest
from django.db import connection

from curation.models import Review, Task
from curation.review.actions.leases import sweep, take_next
from tests.curation.review.desk import Desk, make_person, make_queue, make_task
from vllm_batch.lib.clock import database_now

pytestmark = pytest.mark.django_db


def expire(review: Review) -> None:
    past = database_now() - timedelta(seconds=1)
    Review.objects.filter(pk=review.pk).update(leased_until=past)


def test_the_next_task_comes_with_a_lease_and_drawn_sides():
    queue = make_queue()
    task = make_task(queue)

    review = Desk(queue).next()

    task.refresh_from_db()
    assert task.open_slots == 0 and review.leased_until > database_now()
    assert sorted(review.shown_order) == task.candidate_ids


def test_sides_are_drawn_for_each_review():
    queue = make_queue(reviews_required=20)
    task = make_task(queue)

    orders = [Desk(queue).next().shown_order for _ in range(20)]

    firsts = Counter(order[0] for order in orders)
    assert set(firsts) == set(task.candidate_ids)


def test_two_people_get_different_tasks():
    queue = make_queue()
    first, second = make_task(queue), make_task(queue)

    one, other = Desk(queue).next(), Desk(queue).next()

    assert {one.task_id, other.task_id} == {first.pk, second.pk}
    assert Desk(queue).next() is None


def test_asking_again_gives_the_same_review():
    queue = make_queue()
    make_task(queue)
    make_task(queue)
    desk = Desk(queue)

    assert desk.next() == desk.next()
    assert Review.objects.count() == 1


def test_fetching_ahead_leaves_out_what_the_page_has():
    queue = make_queue()
    make_task(queue)
    make_task(queue)
    desk = Desk(queue)
    first = desk.next()

    ahead = desk.next(first.pk)

    assert ahead != first and desk.next(first.pk, ahead.pk) is None


def test_one_person_cannot_hold_a_whole_queue():
    queue = make_queue()
    for _ in range(9):
        make_task(queue)
    desk = Desk(queue)
    held: list[Review] = []

    while review := desk.next(*[one.pk for one in held]):
        held.append(review)

    assert len(held) == 6 and "enough for now" in desk.html


@pytest.mark.parametrize(
    ("order", "expected"),
    [("priority", [1, 2, 0]), ("random", [2, 0, 1]), ("first_in", [0, 1, 2])],
)
def test_tasks_come_in_the_queues_order(order, expected):
    queue = make_queue(order=order)
    tasks = [
        make_task(queue, priority=priority, random_key=key)
        for priority, key in [(1, 0.5), (9, 0.9), (4, 0.1)]
    ]
    desk = Desk(queue)

    served = [tasks.index(desk.judge("tie").task) for _ in tasks]

    assert served == expected


def test_an_expired_lease_gives_its_slot_to_the_next():
    queue = make_queue()
    task = make_task(queue)
    expire(Desk(queue).next())

    assert Desk(queue).next().task_id == task.pk


def test_an_expired_draft_keeps_its_content_and_can_be_resumed():
    queue = make_queue()
    make_task(queue)
    desk = Desk(queue)
    review = desk.next()
    desk.draft(review, note="half a thought", edits={"0": "better"})
    expire(review)

    assert sweep() == 1

    again = desk.next()
    assert again == review and again.note == "half a thought" and again.edits
    assert again.leased_until is not None


def test_the_sweeper_leaves_live_leases_alone():
    queue = make_queue()
    make_task(queue)
    Desk(queue).next()

    assert sweep() == 0 and Task.objects.get().open_slots == 0


def test_the_heartbeat_renews_only_own_leases():
    queue = make_queue()
    make_task(queue)
    make_task(queue)
    desk, other = Desk(queue), Desk(queue)
    mine, theirs = desk.next(), other.next()

    held = desk.post(f"{queue.pk}/heartbeat", reviews=[mine.pk, theirs.pk]).json()

    before = theirs.leased_until
    theirs.refresh_from_db()
    assert held == {"held": [mine.pk]} and theirs.leased_until == before


def test_a_heartbeat_takes_a_lost_slot_back_if_it_is_free():
    queue = make_queue()
    make_task(queue)
    desk = Desk(queue)
    review = desk.next()
    expire(review)
    sweep()

    held = desk.post(f"{queue.pk}/heartbeat", reviews=[review.pk]).json()

    assert held == {"held": [review.pk]} and Task.objects.get().open_slots == 0


def test_leaving_the_page_frees_the_slots_at_once():
    queue = make_queue()
    make_task(queue)
    desk = Desk(queue)
    review = desk.next()

    url = f"/admin/review/{queue.pk}/release"
    response = desk.client.post(url, {"reviews": [review.pk, "x", "9" * 40]})

    assert response.status_code == 204 and Desk(queue).next() is not None


def test_a_closed_queue_gives_nothing_new():
    queue = make_queue(is_open=False)
    make_task(queue)
    desk = Desk(queue)

    assert desk.next() is None and "closed" in desk.html


def test_who_comes_too_late_keeps_the_text_but_has_no_vote():
    queue = make_queue()
    task = make_task(queue)
    slow = Desk(queue)
    review = slow.next()
    expire(review)
    Desk(queue).judge()

    response = slow.submit(review, edits={"0": "my long work"})

    assert (response.status_code, response.json()["error"]["code"]) == (
        409, "slot_taken",
    )  # fmt: skip
    review.refresh_from_db()
    task.refresh_from_db()
    assert review.status == "draft" and "my long work" in review.edits.values()
    assert task.review_count == 1


def test_a_late_save_counts_if_the_slot_is_still_free():
    queue = make_queue()
    make_task(queue)
    desk = Desk(queue)
    review = desk.next()
    expire(review)
    sweep()

    assert desk.submit(review).status_code == 200
    assert Task.objects.get().state == "done"


@pytest.mark.django_db(transaction=True)
def test_many_at_once_never_share_a_slot():
    if connection.vendor == "sqlite":
        pytest.skip("SQLite has one writer at a time")
    queue = make_queue(reviews_required=2)
    tasks = [make_task(queue) for _ in range(20)]
    people = [make_person(queue.project) for _ in range(8)]
    barrier, errors = threading.Barrier(len(people)), []

    def work(user):
        try:
            barrier.wait(20)
            held: list[int] = []
            while review := take_next(queue, user, held):
                held.append(review.pk)
        except Exception as error:  # noqa: BLE001 - told below
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=(user,)) for user in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert errors == []
    holders = Counter(Review.objects.values_list("task_id", flat=True))
    assert holders == {task.pk: 2 for task in tasks}
    assert not Task.objects.exclude(open_slots=0).exists()
