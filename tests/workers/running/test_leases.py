"""Claims on chunks: who gets which, and for how long."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from batches.models import BatchJob, Chunk
from batches.segments import Claim
from tests.factories import (
    lines,
    make_batch,
    make_chunk,
    make_running_batch,
)
from vllm_batch.lib.clock import database_now
from workers.running import leases

pytestmark = pytest.mark.django_db
SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)
needs_row_locks = pytest.mark.skipif(
    connection.vendor == "sqlite", reason="it has no locks of rows"
)


def claim(owner: str = "alice", model: str = "stub") -> Chunk:
    chunk = leases.claim_chunk(owner, [model])
    assert chunk is not None
    return chunk


def claim_of(chunk: Chunk, owner: str = "alice") -> Claim:
    return Claim(
        chunk_id=chunk.pk,
        batch_id=chunk.batch_id,
        index=chunk.index,
        fence=chunk.fence,
        owner=owner,
    )


def expire() -> None:
    Chunk.objects.update(lease_expires_at=database_now() - SECOND)


def test_a_claim_leases_the_chunk_with_a_new_fence():
    chunk = make_chunk()

    claim()

    found = Chunk.objects.get()
    assert (found.lease_owner, found.fence) == ("alice", chunk.fence + 1)
    assert found.lease_expires_at is not None
    assert found.lease_expires_at > database_now()


def test_a_second_claim_gets_another_chunk():
    make_running_batch(*lines(2))
    batch = BatchJob.objects.get()
    make_chunk(batch)

    first, second = claim("alice"), claim("bob")

    assert first.pk != second.pk


def test_a_second_claim_on_the_only_chunk_gets_nothing():
    make_chunk()
    claim("alice")

    assert leases.claim_chunk("bob", ["stub"]) is None


def test_an_owner_does_not_get_its_own_chunk_twice():
    make_chunk()
    claim()

    assert leases.claim_chunk("alice", ["stub"]) is None


def test_an_expired_lease_can_be_claimed_with_a_new_fence():
    make_chunk()
    first = claim("alice")
    expire()

    second = claim("bob")

    assert second.pk == first.pk and second.fence == first.fence + 1


def test_a_finished_chunk_cannot_be_claimed():
    make_chunk(is_done=True)

    assert leases.claim_chunk("alice", ["stub"]) is None


@pytest.mark.parametrize(
    "status", ["validating", "finalizing", "cancelling", "completed", "cancelled"]
)
def test_a_chunk_of_a_batch_that_does_not_run_cannot_be_claimed(status):
    make_chunk(make_batch(status=status))

    assert leases.claim_chunk("alice", ["stub"]) is None


def test_a_chunk_of_a_paused_batch_cannot_be_claimed():
    make_chunk()
    BatchJob.objects.update(paused_reason="by hand")

    assert leases.claim_chunk("alice", ["stub"]) is None


def test_a_chunk_past_its_deadline_cannot_be_claimed():
    make_chunk()
    BatchJob.objects.update(expires_at=database_now() - SECOND)

    assert leases.claim_chunk("alice", ["stub"]) is None


def test_a_chunk_of_another_model_cannot_be_claimed():
    make_chunk(model="stub-2")

    assert leases.claim_chunk("alice", ["stub"]) is None


def running(**fields: Any) -> Chunk:
    return make_chunk(make_batch(status="in_progress", total=1, **fields))


def test_an_earlier_deadline_comes_first():
    running(expires_at=database_now() + 2 * HOUR)
    urgent = running(expires_at=database_now() + HOUR)

    assert claim() == urgent


def test_a_higher_priority_comes_before_an_earlier_deadline():
    running(expires_at=database_now() + HOUR)
    preferred = running(priority=1, expires_at=database_now() + 2 * HOUR)

    assert claim() == preferred


def test_chunks_of_a_batch_come_in_order():
    batch = make_batch(status="in_progress", total=3)
    chunks = [make_chunk(batch) for _ in range(3)]

    assert [claim() for _ in chunks] == chunks


def test_claiming_takes_a_fixed_number_of_queries(django_assert_max_num_queries):
    for _ in range(5):
        make_chunk()

    # Of these, two begin and end the claim's transaction.
    with django_assert_max_num_queries(6):
        claim()


@contextmanager
def locked(row: Chunk | BatchJob) -> Iterator[None]:
    """Let somebody else hold the lock of a row."""
    other = connection.copy()
    other.set_autocommit(False)
    sql = f"SELECT 1 FROM {row._meta.db_table} WHERE id = %s FOR UPDATE"
    try:
        other.cursor().execute(sql, [row.pk])
        yield
    finally:
        other.close()


@needs_row_locks
@pytest.mark.django_db(transaction=True)
def test_a_chunk_whose_row_is_locked_is_passed_over():
    batch = make_batch(status="in_progress", total=2)
    first, second = make_chunk(batch), make_chunk(batch)

    with locked(first):
        while_locked = [claim(), leases.claim_chunk("bob", ["stub"])]

    assert while_locked == [second, None]
    assert claim() == first


@needs_row_locks
@pytest.mark.django_db(transaction=True)
def test_a_claim_does_not_mind_who_has_the_batchs_row():
    chunk = make_chunk()

    with locked(chunk.batch):
        assert claim() == chunk


def test_renewing_prolongs_a_live_lease():
    make_chunk()
    chunk = claim()
    soon = database_now() + SECOND
    Chunk.objects.update(lease_expires_at=soon)

    leases.renew("alice", [chunk.pk])

    renewed = Chunk.objects.get().lease_expires_at
    assert renewed is not None and renewed > soon


def test_renewing_does_not_revive_a_lease_that_has_ended():
    make_chunk()
    chunk = claim()
    expire()
    before = Chunk.objects.get().lease_expires_at

    leases.renew("alice", [chunk.pk])

    assert Chunk.objects.get().lease_expires_at == before


@pytest.mark.parametrize("owner, in_hand", [("bob", True), ("alice", False)])
def test_renewing_leaves_alone_what_another_has_or_nobody_runs(owner, in_hand):
    make_chunk()
    chunk = claim(owner)
    before = Chunk.objects.get().lease_expires_at

    leases.renew("alice", [chunk.pk] if in_hand else [])

    assert Chunk.objects.get().lease_expires_at == before


def test_a_released_chunk_can_be_claimed_at_once():
    make_chunk()
    chunk = claim("alice")

    leases.release(claim_of(chunk))

    assert claim("bob").pk == chunk.pk


def test_releasing_a_chunk_that_has_another_owner_changes_nothing():
    make_chunk()
    chunk = claim("alice")
    expire()
    claim("bob")

    leases.release(claim_of(chunk))

    assert Chunk.objects.get().lease_owner == "bob"


def test_a_near_deadline_comes_before_a_higher_priority():
    urgent = running(expires_at=database_now() + HOUR)
    preferred = running(priority=1, expires_at=database_now() + 3 * HOUR)
    until = (database_now() + 2 * HOUR).timestamp()

    found = [
        leases.claim_chunk("alice", ["stub"], urgent_until=until) for _ in range(2)
    ]

    assert found == [urgent, preferred]


def test_a_claim_may_be_for_one_project():
    running(expires_at=database_now() + HOUR)
    later = running(expires_at=database_now() + 2 * HOUR)
    project = later.batch.project_id

    assert leases.claim_chunk("alice", ["stub"], project=project) == later
    assert leases.claim_chunk("alice", ["stub"], project=project) is None


def test_the_next_project_is_the_one_with_the_earliest_deadline():
    later = running(expires_at=database_now() + 2 * HOUR, priority=1).batch.project_id
    sooner = running(expires_at=database_now() + HOUR).batch.project_id

    assert leases.next_project(["stub"], []) == sooner
    assert leases.next_project(["stub"], [sooner]) == later
    assert leases.next_project(["stub"], [sooner, later]) is None


def test_batches_that_must_stop_are_named_with_the_cause():
    running = make_batch(status="in_progress")
    paused = make_batch(status="in_progress", paused_reason="by hand")
    cancelled = make_batch(status="cancelling")

    stopped = leases.stopped_batches([running.pk, paused.pk, cancelled.pk])

    assert stopped == {
        paused.pk: ("by hand", True),
        cancelled.pk: ("cancelling", False),
    }
