"""The state machine: legal arrows change a batch, all others change nothing."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django_q.models import OrmQ

from batches import actions, ops_lease
from batches.models import BatchJob, Chunk, Status
from tests.factories import make_batch, make_chunk
from vllm_batch.lib.clock import database_now
from vllm_batch.lib.errors import Conflict

pytestmark = pytest.mark.django_db

Action = Callable[[BatchJob], Any]
ERRORS = [{"code": "x", "line": None, "message": "x", "param": None}]


def start(batch: BatchJob) -> bool:
    chunk = Chunk(
        batch=batch,
        index=0,
        model="stub",
        first_line=1,
        span=1,
        line_count=1,
        first_byte=0,
        byte_count=1,
        done=b"\0",
    )
    return actions.start(batch, [chunk], model="stub")


def fail(batch: BatchJob) -> bool:
    return actions.fail(batch, ERRORS)


def close(batch: BatchJob) -> bool:
    return actions.close(batch, output=None, error=None)


def cancel(batch: BatchJob) -> bool:
    try:
        return bool(actions.cancel(batch))
    except Conflict:
        return False


ARROWS: dict[tuple[Action, str], tuple[str, str]] = {
    (start, "validating"): ("in_progress", "in_progress_at"),
    (fail, "validating"): ("failed", "failed_at"),
    (close, "finalizing"): ("completed", "completed_at"),
    (close, "cancelling"): ("cancelled", "cancelled_at"),
    (close, "in_progress"): ("expired", "expired_at"),
    (cancel, "validating"): ("cancelled", "cancelled_at"),
    (cancel, "in_progress"): ("cancelling", "cancelling_at"),
    (cancel, "finalizing"): ("cancelling", "cancelling_at"),
    (actions.break_off, "validating"): ("failed", "failed_at"),
    (actions.break_off, "in_progress"): ("failed", "failed_at"),
    (actions.break_off, "finalizing"): ("failed", "failed_at"),
    (actions.break_off, "cancelling"): ("failed", "failed_at"),
}
LEGAL = [(action, old, *end) for (action, old), end in ARROWS.items()]
ACTIONS: list[Action] = [start, fail, cancel, actions.break_off]
ILLEGAL = [
    (action, status.value)
    for action in ACTIONS
    for status in Status
    if (action, status.value) not in ARROWS
]


def row(batch: BatchJob) -> Any:
    return BatchJob.objects.filter(pk=batch.pk).values().get()


@pytest.mark.parametrize(("action", "old", "new", "moment"), LEGAL)
def test_a_legal_arrow_sets_status_and_moment(action, old, new, moment):
    batch = make_batch(status=old)

    assert action(batch)

    found = row(batch)
    assert found["status"] == new == batch.status
    assert found[moment] is not None


@pytest.mark.parametrize(("action", "old"), ILLEGAL)
def test_any_other_arrow_changes_nothing(action, old):
    batch = make_batch(status=old, cancelling_at=database_now())
    before = row(batch)

    action(batch)

    assert row(batch) == before
    assert not Chunk.objects.exists()


@pytest.mark.parametrize("status", ["failed", "completed", "expired", "cancelled"])
@pytest.mark.parametrize("stale", ["finalizing", "cancelling", "in_progress"])
def test_closing_never_leaves_a_terminal_status(status, stale):
    batch = make_batch(status=status)
    before = row(batch)
    batch.status = stale

    closed = close(batch)

    assert not closed and row(batch) == before


@pytest.mark.parametrize(("action", "old"), [(key[0], key[1]) for key in ARROWS])
def test_of_two_racing_callers_the_second_does_nothing(action, old):
    batch = make_batch(status=old)
    second = BatchJob.objects.get(pk=batch.pk)
    action(batch)
    before = row(batch)

    action(second)

    assert row(batch) == before


def test_starting_stores_the_plan_and_its_total():
    batch = make_batch()

    start(batch)

    assert (batch.total, batch.model, batch.is_mixed) == (1, "stub", False)
    assert batch.chunks.count() == 1


def test_starting_a_cancelled_batch_stores_no_plan():
    batch = make_batch()
    actions.cancel(BatchJob.objects.get(pk=batch.pk))

    started = start(batch)

    assert not started and not Chunk.objects.exists()


def test_starting_rings_the_gpu_workers():
    start(make_batch())

    assert [row.key for row in OrmQ.objects.all()] == ["gpu"]


def test_a_failed_batch_lists_its_faults():
    batch = make_batch()

    fail(batch)

    assert batch.errors == {"object": "list", "data": ERRORS}


def test_a_batch_that_is_broken_off_says_so_without_details():
    batch = make_batch(status="finalizing")

    actions.break_off(batch)

    assert batch.errors is not None
    assert [error["code"] for error in batch.errors["data"]] == ["server_error"]


def test_cancelling_a_batch_that_ran_rings_the_ops_queue():
    actions.cancel(make_batch(status="in_progress"))

    assert [row.key for row in OrmQ.objects.all()] == ["ops"]


def test_cancelling_again_keeps_the_first_moment():
    batch = actions.cancel(make_batch(status="in_progress"))
    first = batch.cancelling_at

    again = actions.cancel(BatchJob.objects.get(pk=batch.pk))

    assert again.cancelling_at == first and again.status == "cancelling"


@pytest.mark.parametrize("status", ["completed", "failed", "expired"])
def test_a_batch_that_has_ended_cannot_be_cancelled(status):
    with pytest.raises(Conflict) as caught:
        actions.cancel(make_batch(status=status))

    assert caught.value.message == f"Cannot cancel a batch with status '{status}'."


def test_only_the_last_line_moves_a_batch_on():
    chunk = make_chunk(make_batch(status="in_progress", total=3))

    actions.count(chunk.batch_id, is_end=True, completed=1, failed=1)
    before = row(chunk.batch)["status"]
    actions.count(chunk.batch_id, is_end=True, completed=1, failed=0)

    assert (before, row(chunk.batch)["status"]) == ("in_progress", "finalizing")
    assert row(chunk.batch)["finalizing_at"] is not None


@pytest.mark.parametrize("status", ["cancelling", "expired", "failed"])
def test_the_last_line_does_not_move_a_batch_that_was_stopped(status):
    batch = make_batch(status=status, total=1)

    actions.count(batch.pk, is_end=True, completed=1)

    assert row(batch)["status"] == status and row(batch)["completed"] == 1


def test_the_ops_lease_is_held_by_one():
    batch = make_batch()

    first, second = ops_lease.lease(batch, 60), ops_lease.lease(batch, 60)

    assert (first, second) == (True, False)


def test_an_ops_lease_that_has_ended_can_be_taken():
    ended = database_now() - timedelta(seconds=1)
    batch = make_batch(ops_lease_expires_at=ended)

    assert ops_lease.lease(batch, 60)


def test_an_ops_lease_that_was_given_back_can_be_taken():
    batch = make_batch()
    ops_lease.lease(batch, 60)

    ops_lease.release(batch)

    assert ops_lease.lease(batch, 60)


def test_nobody_leases_a_batch_that_has_ended():
    assert not ops_lease.lease(make_batch(status="completed"), 60)
