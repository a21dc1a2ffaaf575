"""Pause a batch and let it go on: by hand, or because its first lines fared badly.

A paused batch keeps its status and its deadline. Each change is one conditional UPDATE,
as in `actions.py`.
"""

import logging
from typing import Any

from django.db import transaction
from django.db.models.functions import Now

from batches import actions, canary
from batches.models import BatchJob, Chunk, Status
from vllm_batch.lib.errors import Conflict

logger = logging.getLogger(__name__)

PAUSABLE = (Status.VALIDATING, Status.IN_PROGRESS)
BY_HAND = "on request"
LONGEST_REASON = 255


def pause(batch: BatchJob, reason: str = "") -> BatchJob:
    """Start no more lines of a batch; those in flight may end.

    Pausing again changes nothing. Raises Conflict for a batch with nothing to run.
    """
    rows = BatchJob.objects.filter(
        pk=batch.pk, status__in=PAUSABLE, paused_reason="", is_dry_run=False
    )
    reason = (reason.strip() or BY_HAND)[:LONGEST_REASON]
    changed = rows.update(paused_reason=reason, paused_at=Now())
    return _answer(batch, "pause", changed)


def resume(batch: BatchJob) -> BatchJob:
    """Let a paused batch go on, whatever it was paused for.

    One that is not paused stays as it is. Raises Conflict as `pause` does.
    """
    rows = BatchJob.objects.filter(pk=batch.pk, status__in=PAUSABLE)
    with transaction.atomic():
        paused = rows.select_for_update().exclude(paused_reason="").first()
        if paused is not None:
            rows.update(
                paused_reason="", paused_at=None, canary=_resumed(paused.canary)
            )
            actions.ring_workers()
    return _answer(batch, "resume", paused is not None)


def _resumed(found: dict[str, Any] | None) -> dict[str, Any] | None:
    if found is None or found.get("state") != canary.State.HELD:
        return found
    return {**found, "state": canary.State.RESUMED.value}


def _answer(batch: BatchJob, verb: str, changed: object) -> BatchJob:
    batch.refresh_from_db()
    if changed:
        logger.info("batch %s: %s (%s)", batch.pk, verb, batch.paused_reason)
    if batch.status not in PAUSABLE:
        raise Conflict(f"Cannot {verb} a batch with status '{batch.status}'.")
    if batch.is_dry_run:
        raise Conflict(f"Cannot {verb} a dry run: none of its lines run.")
    return batch


def judge_canary(batch_id: str) -> None:
    """Let the rest of a batch start, or hold it, once its first lines are through.

    Called inside the transaction that ends a chunk, after the batch's counts: they
    lock its row, so the last of several workers sees every first line.
    """
    rows = BatchJob.objects.filter(pk=batch_id, canary__state=canary.State.RUNNING)
    batch = rows.first()
    if batch is None or batch.canary is None:
        return
    first = Chunk.objects.filter(batch=batch, index__lt=batch.canary["chunks"])
    if first.unfinished().exists():
        return
    counts = {"failed": batch.failed, "cut_off": batch.cut_off}
    fields: dict[str, Any] = {"canary": canary.decided(batch.canary, **counts)}
    fault = canary.fault_of(batch.canary, **counts)
    # Where every line was a first line, there is nothing left to hold.
    if fault and batch.status == Status.IN_PROGRESS:
        fields |= {"paused_reason": fault[:LONGEST_REASON], "paused_at": Now()}
    rows.update(**fields)
    logger.info("batch %s: its first lines %s", batch_id, fault or "passed")
