"""What the ops queue runs.

A task carries at most an id and may run any number of times: rows are the truth, the
queue is a doorbell (design.md §5).
"""

import logging
import time
from collections.abc import Callable

from django.db import DatabaseError

from batches import actions
from batches.finalizing import finalize
from batches.ingest import ingest
from batches.models import BatchJob, Status
from batches.segments import purge_ended
from batches.sweeping import purge_files
from vllm_batch.lib.clock import database_now

logger = logging.getLogger(__name__)

OPS_LEASE_SECONDS = 60


def attend(batch_id: str) -> None:
    """Do what the batch needs next: validate it or finalize it."""
    batch = BatchJob.objects.needing_ops(database_now()).filter(pk=batch_id).first()
    if batch is None or not actions.lease_ops(batch, OPS_LEASE_SECONDS):
        return
    try:
        _advance(batch)
    except (DatabaseError, OSError):
        # The database or the disk is away: the sweeper rings again when the lease ends.
        logger.exception("batch %s waits", batch.pk)
    except Exception:  # noqa: BLE001 - the edge: a bug must not leave a batch stuck
        logger.exception("batch %s cannot go on", batch.pk)
        actions.break_off(batch)


def _advance(batch: BatchJob) -> None:
    keep_alive = _renewer(batch)
    if batch.status == Status.VALIDATING:
        ingest(batch, keep_alive)
    elif not finalize(batch, keep_alive):
        actions.release_ops(batch)


def attend_waiting() -> None:
    """Do so for every batch that waits; the sweeper rings for this."""
    now = database_now()
    waiting = BatchJob.objects.needing_ops(now).unattended(now)
    for batch_id in waiting.values_list("pk", flat=True)[:100]:
        attend(batch_id)


def purge() -> None:
    """Free the storage of deleted and expired files and of ended batches."""
    purge_files()
    purge_ended()


def _renewer(batch: BatchJob) -> Callable[[], None]:
    renewed_at = time.monotonic()

    def keep_alive() -> None:
        nonlocal renewed_at
        if time.monotonic() - renewed_at > OPS_LEASE_SECONDS / 4:
            renewed_at = time.monotonic()
            actions.renew_ops(batch, OPS_LEASE_SECONDS)

    return keep_alive
