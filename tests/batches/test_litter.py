"""Segment files that no row knows are cleared away once their batch has ended."""

from datetime import timedelta
from pathlib import Path

import pytest

from batches import segments
from batches.models import BatchJob, Segment
from batches.purging import purge_litter
from batches.tasks import purge
from tests.batches.ending import GOOD, commit, make_ended
from tests.factories import lines, make_running_batch
from vllm_batch.lib.clock import database_now

pytestmark = pytest.mark.django_db
SOON = timedelta(seconds=-5)


def drop(storage: Path, batch: BatchJob, name: str = "0-9-1.jsonl") -> Path:
    """Leave a segment file as a crash before COMMIT does."""
    path = storage / "segments" / batch.pk / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"{}\n")
    return path


def test_nothing_is_done_where_nothing_is():
    assert purge_litter() == 0


def test_litter_of_an_ended_batch_goes_and_its_folder_too(storage):
    batch = make_ended(GOOD)
    segments.purge_ended(keep=SOON)
    litter = [drop(storage, batch), drop(storage, batch, ".abc.part")]

    assert purge_litter(SOON) == 2
    assert not litter[0].parent.exists()


def test_litter_of_a_live_batch_stays(storage):
    batch = make_running_batch(*lines(2))
    litter = drop(storage, batch)

    assert purge_litter(SOON) == 0 and litter.exists()


def test_litter_of_a_batch_that_has_just_ended_stays(storage):
    litter = drop(storage, make_ended(GOOD))

    purge()

    assert litter.exists()


def test_segments_with_a_row_stay(storage):
    batch = make_running_batch(*lines(2))
    segment = commit(batch, {0: GOOD})
    litter = drop(storage, batch)
    BatchJob.objects.update(status="failed", failed_at=database_now())

    assert purge_litter(SOON) == 1
    assert (storage / segment.path).exists() and not litter.exists()


def test_litter_of_a_batch_that_is_gone_goes(storage):
    batch = make_running_batch(*lines(1))
    litter = drop(storage, batch)
    Segment.objects.all().delete()
    BatchJob.objects.all().delete()

    purge()

    assert not litter.exists()
