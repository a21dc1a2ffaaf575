"""What the ops queue runs.

A task carries at most an id and may run any number of times: rows are the truth, the
queue is a doorbell (design.md §5).
"""

import logging
import time
from collections.abc import Callable
from contextlib import suppress

from django.conf import settings
from django.db import DatabaseError, InterfaceError
from django.utils.module_loading import import_string

from batches import actions, ops_lease
from batches.finalizing import finalize
from batches.handlers.lanes import open_lanes
from batches.handlers.webhook.progress import tell_waiting
from batches.ingest import ingest
from batches.models import BatchJob, Status
from batches.purging import purge_files, purge_litter
from batches.segments import purge_ended
from batches.stored import find_lost
from files.litter import purge_incoming
from vllm_batch.lib.clock import database_now
from vllm_batch.lib.errors import is_database_away
from vllm_batch.lib.logs import working_on

logger = logging.getLogger(__name__)

OPS_LEASE_SECONDS = 30
# After a fault that may pass, the next try comes no later than this.
PAUSE_SECONDS = 5


def attend(batch_id: str) -> None:
    """Do what the batch needs next: validate it or finalize it."""
    batch = BatchJob.objects.needing_ops(database_now()).filter(pk=batch_id).first()
    if batch is None or not ops_lease.lease(batch, OPS_LEASE_SECONDS):
        return
    ids = {"request_id": batch.request_id, "project": str(batch.project_id)}
    with working_on(batch_id=batch.pk, **ids):
        try:
            _advance(batch)
        except Exception as error:  # noqa: BLE001 - the edge: no batch may stay stuck
            logger.exception("batch %s could not be attended to", batch.pk)
            _wait_or_break_off(batch, error)


def _wait_or_break_off(batch: BatchJob, error: Exception) -> None:
    """Wait for a database or a disk that is away; fail a batch over anything else."""
    if isinstance(error, FileNotFoundError) and (lost := _lost(batch)):
        actions.break_off_lost(batch, lost)
    elif isinstance(error, OSError) or is_database_away(error):
        # The sweeper rings again when the lease ends.
        with suppress(DatabaseError, InterfaceError):
            ops_lease.renew(batch, PAUSE_SECONDS)
    else:
        actions.break_off(batch)


def _lost(batch: BatchJob) -> str | None:
    try:
        return find_lost(batch)
    except OSError:
        return None


def _advance(batch: BatchJob) -> None:
    keep_alive = _renewer(batch)
    if batch.status == Status.VALIDATING:
        ingest(batch, keep_alive)
    elif not finalize(batch, keep_alive):
        ops_lease.release(batch)


def attend_waiting() -> None:
    """Do so for every batch that waits; the sweeper rings for this."""
    now = database_now()
    waiting = BatchJob.objects.needing_ops(now).unattended(now)
    for batch_id in waiting.values_list("pk", flat=True)[:100]:
        attend(batch_id)


def run_handlers() -> None:
    """Run result handlers and send webhooks that are due, each in its own lane."""
    open_lanes()


def tell_progress() -> None:
    """Make webhooks of the milestones that running batches have passed."""
    tell_waiting()


def purge() -> None:
    """Free the storage of what is deleted, expired, ended or litter; do the chores."""
    purge_incoming()
    purge_files()
    purge_ended()
    purge_litter()
    for path in settings.CHORES:
        import_string(path)()


def _renewer(batch: BatchJob) -> Callable[[], None]:
    renewed_at = time.monotonic()

    def keep_alive() -> None:
        nonlocal renewed_at
        if time.monotonic() - renewed_at > OPS_LEASE_SECONDS / 4:
            renewed_at = time.monotonic()
            ops_lease.renew(batch, OPS_LEASE_SECONDS)

    return keep_alive
