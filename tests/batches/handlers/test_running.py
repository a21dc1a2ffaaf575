"""Handlers run for each batch that ends: at least once, and then no more."""

from datetime import timedelta

import pytest
from django.db import DatabaseError, connection
from django_q.models import OrmQ

from batches import actions
from batches.handlers import GiveUp, attempts
from batches.handlers.attempts import DIED
from batches.handlers.running import due_runs, run_next
from batches.models import BatchJob, HandlerRun
from batches.tasks import attend
from tests.batches.ending import BROKEN, GOOD, make_ended
from tests.batches.handlers.cast import Fake, Other, make_endpoint, run_of
from tests.factories import make_batch, make_running_batch
from vllm_batch.lib.clock import database_now
from vllm_batch.lib.conf import conf

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)


def age(run: HandlerRun, **fields: object) -> None:
    HandlerRun.objects.filter(pk=run.pk).update(**fields)


def make_due(run: HandlerRun) -> None:
    age(run, next_attempt_at=database_now() - MINUTE)


def claim() -> HandlerRun | None:
    """Take the fake handler's run, as the process does that is about to die."""
    due = due_runs().filter(handler="fake")
    return attempts.claim(due, 60, conf().HANDLER_RETRY_SECONDS)


def lose(run: HandlerRun) -> None:
    """Let the lease of a run's holder end, and somebody notice."""
    age(run, lease_expires_at=database_now() - MINUTE)
    assert not run_next("fake")


def rung() -> int:
    return sum(q.func() == "batches.tasks.run_handlers" for q in OrmQ.objects.all())


def test_a_completed_batch_is_handled_by_each_handler():
    batch = make_ended(GOOD, BROKEN)

    assert run_next("fake") and run_next("other")

    assert [m.batch_id for m in (*Fake.calls, *Other.calls)] == [batch.pk] * 2
    assert run_of(batch).status == "succeeded"
    assert not run_next("fake")


def test_the_doorbell_rings_with_the_end():
    make_ended(GOOD)

    assert rung() == 1


def end_failed() -> BatchJob:
    batch = make_batch("oops")
    attend(batch.pk)
    return batch


def end_cancelled_at_once() -> BatchJob:
    return actions.cancel(make_batch())


def end_cancelled() -> BatchJob:
    return make_ended(GOOD, None)


def end_expired() -> BatchJob:
    batch = make_running_batch()
    BatchJob.objects.update(expires_at=database_now() - MINUTE)
    attend(batch.pk)
    return batch


def end_broken_off() -> BatchJob:
    batch = make_running_batch()
    actions.break_off(batch)
    return batch


@pytest.mark.parametrize(
    ("end", "status"),
    [
        (end_failed, "failed"),
        (end_cancelled_at_once, "cancelled"),
        (end_cancelled, "cancelled"),
        (end_expired, "expired"),
        (end_broken_off, "failed"),
    ],
)
def test_other_ends_are_handled_too(end, status):
    batch = end()

    assert run_next("fake")

    assert [(m.batch_id, m.status) for m in Fake.calls] == [(batch.pk, status)]


def test_a_batch_that_runs_is_not_handled():
    make_running_batch()

    assert not HandlerRun.objects.exists()


def test_a_handler_that_is_not_enabled_gets_no_run():
    Fake.is_on = False

    make_ended(GOOD)

    assert not HandlerRun.objects.exists() and rung() == 0


def test_without_an_endpoint_there_is_no_run_for_webhooks():
    batch = make_ended(GOOD)
    make_endpoint(batch.project)
    other = make_ended(GOOD, project=batch.project)

    found = HandlerRun.objects.filter(handler="webhook")

    assert [run.batch_id for run in found] == [other.pk]


def test_enabled_that_fails_keeps_no_batch_open():
    Fake.is_on = DatabaseError("a bug")

    batch = make_ended(GOOD)

    assert batch.status == "completed"
    assert run_of(batch).status == "pending"


def test_a_status_change_that_is_undone_leaves_no_run():
    batch = make_running_batch()
    BatchJob.objects.update(status="completed")

    assert not actions.break_off(batch)

    assert not HandlerRun.objects.exists()


@pytest.mark.parametrize(
    ("does", "error"),
    [
        (lambda results: 1 / 0, "ZeroDivisionError: division by zero"),
        (lambda results: False, "handle() returned False and not True."),
        (lambda results: None, "handle() returned None and not True."),
    ],
)
def test_a_handler_that_fails_is_tried_again_later(configure, does, error):
    configure(HANDLER_RETRY_SECONDS=[100])
    Fake.does = does
    batch = make_ended(GOOD)
    before = database_now()

    assert run_next("fake") and not run_next("fake")

    run = run_of(batch)
    wait = (run.next_attempt_at - before).total_seconds()
    assert (run.status, run.last_error) == ("pending", error)
    assert 99 < wait < 115


def test_a_statement_that_fails_spoils_nothing():
    def does(results):
        with connection.cursor() as cursor:
            cursor.execute("SELECT * FROM nowhere")

    Fake.does = does
    batch = make_ended(GOOD)
    if connection.vendor == "postgresql":
        pytest.skip("inside a test's transaction PostgreSQL refuses what follows")

    assert run_next("fake")

    assert run_of(batch).status == "pending"


def test_after_the_last_try_it_is_a_dead_letter(configure):
    configure(HANDLER_RETRY_SECONDS=[0, 0])
    Fake.does = lambda results: 1 / 0
    batch = make_ended(GOOD)

    while run_next("fake"):
        pass

    run = run_of(batch)
    assert (run.status, run.attempts, len(Fake.calls)) == ("dead", 3, 3)
    assert run.ended_at is not None


def test_a_handler_that_gives_up_is_a_dead_letter_at_once():
    def does(results):
        raise GiveUp("no such table\0")

    Fake.does = does
    batch = make_ended(GOOD)

    run_next("fake")

    assert run_of(batch).status == "dead"
    assert run_of(batch).last_error == "no such table�"


def test_a_failing_handler_delays_no_other():
    Fake.does = lambda results: 1 / 0
    Other.does = lambda results: True
    batch = make_ended(GOOD)

    run_next("fake")
    run_next("other")

    assert run_of(batch, "other").status == "succeeded"


def test_two_processes_do_not_run_one_at_the_same_time():
    make_ended(GOOD)
    inside: list[bool] = []

    def does(results):
        inside.append(run_next("fake"))
        return True

    Fake.does = does

    run_next("fake")

    assert inside == [False] and len(Fake.calls) == 1


def test_what_a_dead_process_held_is_run_again_after_a_wait():
    batch = make_ended(GOOD)
    run = claim()
    assert run is not None and not run_next("fake")

    lose(run)

    assert (run_of(batch).status, run_of(batch).last_error) == ("pending", DIED)
    make_due(run)
    assert run_next("fake")
    assert (run_of(batch).status, run_of(batch).attempts) == ("succeeded", 2)


def test_who_comes_back_too_late_changes_nothing():
    batch = make_ended(GOOD)
    late = claim()
    assert late is not None
    lose(late)
    make_due(late)
    run_next("fake")

    assert not attempts.fail(late, "too late", 1)
    assert not attempts.renew(late, 60)

    assert run_of(batch).status == "succeeded"


def test_who_renews_in_time_is_not_taken_for_dead():
    batch = make_ended(GOOD)
    held = claim()
    assert held is not None

    assert not attempts.fail(held, "it is not dead", 1, is_lost=True)

    assert run_of(batch).status == "running"


def test_a_handler_that_kills_its_process_is_given_up(configure):
    configure(HANDLER_RETRY_SECONDS=[0])
    batch = make_ended(GOOD)
    for _ in range(2):
        held = claim()
        assert held is not None
        lose(held)
        make_due(held)

    assert (run_of(batch).status, run_of(batch).last_error) == ("dead", DIED)
    assert not claim() and not Fake.calls


def test_the_run_of_a_handler_that_is_gone_waits_for_it(settings):
    batch = make_ended(GOOD)
    paths, settings.RESULT_HANDLERS = settings.RESULT_HANDLERS, []
    assert not due_runs().exists()

    settings.RESULT_HANDLERS = paths

    assert run_next("fake") and run_of(batch).status == "succeeded"
