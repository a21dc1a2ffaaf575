"""What a reviewer sees beside the answers: origin, form, pace, progress."""

from datetime import timedelta

import pytest
from django.core.cache import cache

from curation.models import Candidate, Review
from tests.curation.review.desk import Desk, make_queue, make_task
from vllm_batch.lib.clock import database_now

pytestmark = pytest.mark.django_db


def test_a_card_tells_where_answers_come_from_unless_that_is_a_secret():
    desks = [Desk(make_queue(is_blind=blind)) for blind in (True, False)]
    for desk in desks:
        make_task(desk.queue)
        desk.next()
    blind, open_ = (desk.html for desk in desks)

    assert open_.count("Where it comes from") == 2
    assert "batch_test" in open_ and "custom_id" in open_
    assert "Where it comes from" not in blind and "batch_test" not in blind


def test_the_rail_shows_the_last_ten_and_the_pace():
    queue = make_queue()
    desk = Desk(queue)
    for _ in range(11):
        make_task(queue)
    began = database_now()
    for number in range(11):
        review = desk.judge()
        # Twelve seconds each, and one long break.
        seconds = 12 * number + (5000 if number > 5 else 0)
        Review.objects.filter(pk=review.pk).update(
            submitted_at=began + timedelta(seconds=seconds)
        )

    # Counts are kept a while, by the queue's number.
    cache.clear()
    rail = desk.get(f"{queue.pk}/rail").content.decode()
    progress = desk.get(f"{queue.pk}/progress").content.decode()

    assert rail.count("<li>") == 10 and "about 12 s each" in rail
    assert "<b>11</b> of 11" in progress


def test_the_time_spent_is_kept_and_never_shrinks():
    queue = make_queue()
    make_task(queue)
    desk = Desk(queue)
    review = desk.next()
    version = desk.draft(review, active_ms=5000).json()["version"]

    desk.submit(review, version=version, active_ms=3000)

    review.refresh_from_db()
    assert review.active_ms == 5000


def test_an_answer_out_of_its_form_says_so():
    queue = make_queue()
    task = make_task(queue)
    answer = task.candidate_ids[0]
    Candidate.objects.filter(pk=answer).update(checks={"schema": False})
    desk = Desk(queue)
    review = desk.next()

    assert desk.html.count("not in the form asked for") == 1
    part = desk.html.split(f'data-side="{review.shown_order.index(answer)}"')[1]
    assert "not in the form asked for" in part.split("</section>")[0]
