"""Doorbells that were lost are rung again, and only then."""

from datetime import timedelta

import pytest
from django.utils import timezone
from django_q.models import OrmQ

from batches.models import BatchJob, Chunk
from batches.sweeping import ring_purge, sweep
from batches.tasks import purge
from files.models import File
from tests.factories import make_batch, make_chunk, make_file
from vllm_batch.lib.clock import database_now

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


def rung() -> list[str]:
    return sorted(OrmQ.objects.values_list("key", flat=True))


def test_nothing_is_rung_when_nothing_waits():
    make_batch(status="completed")

    sweep()

    assert rung() == []


@pytest.mark.parametrize("status", ["validating", "finalizing", "cancelling"])
def test_a_batch_that_waits_is_rung_for(status):
    make_batch(status=status)

    sweep()

    assert rung() == ["ops"]


def test_a_batch_past_its_deadline_is_rung_for():
    make_batch(status="in_progress", expires_at=database_now() - HOUR)

    sweep()

    assert rung() == ["ops"]


@pytest.mark.parametrize("status", ["cancelling", "in_progress"])
def test_a_stopped_batch_waits_until_no_worker_holds_a_chunk(status):
    batch = make_batch(status=status, expires_at=database_now() - HOUR)
    make_chunk(batch, lease_expires_at=database_now() + HOUR)

    sweep()

    assert rung() == []


def test_a_batch_that_is_attended_is_not_rung_for():
    make_batch(ops_lease_expires_at=database_now() + HOUR)

    sweep()

    assert rung() == []


def test_a_batch_whose_ops_task_died_is_rung_for():
    make_batch(ops_lease_expires_at=database_now() - HOUR)

    sweep()

    assert rung() == ["ops"]


def test_a_chunk_that_can_be_claimed_is_rung_for():
    make_chunk()

    sweep()

    assert rung() == ["gpu"]


def test_a_chunk_somebody_holds_is_not_rung_for():
    make_chunk(lease_expires_at=database_now() + HOUR)

    sweep()

    assert rung() == []


def test_a_paused_batch_is_not_rung_for():
    make_chunk()
    BatchJob.objects.update(paused_reason="by hand")

    sweep()

    assert rung() == []


def test_sweeping_again_rings_no_second_time():
    make_chunk()
    make_batch()
    sweep()

    sweep()

    assert rung() == ["gpu", "ops"]


def test_a_doorbell_that_somebody_took_may_be_rung_again():
    make_chunk()
    sweep()
    OrmQ.objects.update(lock=timezone.now() + HOUR)

    sweep()

    assert rung() == ["gpu", "gpu"]


def test_the_purge_is_rung_once():
    ring_purge()
    ring_purge()

    assert rung() == ["ops"]


def test_the_purge_frees_files_and_keeps_chunks_of_live_batches():
    chunk = make_chunk()
    file = make_file(b"x", deleted_at=database_now())

    purge()

    assert File.objects.get(pk=file.pk).purged_at is not None
    assert Chunk.objects.get() == chunk
