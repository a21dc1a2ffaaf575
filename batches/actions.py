"""The only writer of a batch's status.

    validating ──▶ in_progress ──▶ finalizing ──▶ completed
        │              │   │            │
        ▼              │   ▼            │
      failed           │ expired        │
        ▲              ▼                ▼
        └───────── cancelling ──────▶ cancelled

A dry run goes from validating to completed (or failed) and is never run.
Each arrow is one conditional UPDATE (id and allowed old status). If not exactly one
row changed, someone was first and nothing is done. A terminal status is final.
"""

from dataclasses import asdict
from datetime import timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F
from django.db.models.functions import Coalesce, Now
from django_q.tasks import async_task

from accounts.models import Project
from batches import quota
from batches.canary import begun
from batches.handlers.running import enlist
from batches.metrics import note_status
from batches.models import BatchJob, Chunk, Status
from batches.orders import BatchOrder
from batches.pinning import find_pinned
from files import quota as files_quota
from files.models import File
from vllm_batch.environment import window_seconds
from vllm_batch.lib.clock import database_now
from vllm_batch.lib.errors import Conflict, QuotaExceeded
from vllm_batch.lib.faultpoints import fault

CANCELLABLE = (Status.IN_PROGRESS, Status.FINALIZING)


def create(
    project: Project, order: BatchOrder, idempotency_key: str | None = None
) -> BatchJob:
    """Store a new batch and ring for its validation, in one transaction.

    The same idempotency key with the same order returns the first batch; with another
    order it raises Conflict (contract R28). Raises InvalidRequest or NotFound if the
    manifest it is to run with cannot be had.
    """
    if known := repeated(project, order.digest(), idempotency_key):
        return known
    now = database_now()
    lifetime = timedelta(seconds=window_seconds(order.completion_window))
    fields = asdict(order)
    pinned = fields.pop("manifest_of")
    new = BatchJob(
        project=project,
        **fields,
        pinned_manifest=find_pinned(project, pinned) if pinned else None,
        idempotency_key=idempotency_key,
        request_digest=order.digest(),
        created_at=now,
        expires_at=now + lifetime,
    )
    return store(new)


def store(batch: BatchJob, input_file: File | None = None) -> BatchJob:
    """Save a new batch, with its input file if that is new too, and ring for it.

    Returns the batch that the same idempotency key made, if that one was faster. Raises
    QuotaExceeded if the project may have no more.
    """
    try:
        with transaction.atomic():
            quota.reserve_place(batch.project)
            if input_file is not None:
                files_quota.reserve(batch.project, input_file.bytes)
                input_file.save(force_insert=True)
            batch.save(force_insert=True)
            ring_ops(batch)
            note_status(batch)
            fault("batch.saved")
    except (IntegrityError, QuotaExceeded):
        key, digest = batch.idempotency_key, batch.request_digest
        if known := repeated(batch.project, digest, key):
            return known
        raise
    return batch


def repeated(project: Project, digest: str, key: str | None) -> BatchJob | None:
    """Return the batch an idempotency key made before; raises Conflict.

    `digest` tells the order: the key must have come with the same one.
    """
    if not key:
        return None
    known = BatchJob.objects.of(project).filter(idempotency_key=key).first()
    if known is not None and known.request_digest != digest:
        raise Conflict(
            "This Idempotency-Key was used before with other parameters.",
            code="idempotency_key_in_use",
        )
    return known


def ring_ops(batch: BatchJob) -> None:
    """Ask the ops queue to look at a batch; inside a transaction, if it commits."""
    async_task("batches.tasks.attend", batch.pk, cluster="ops")


def ring_workers() -> None:
    """Tell the GPU workers that there is something to claim."""
    async_task("workers.tasks.serve", cluster="gpu")


def _change(batch: BatchJob, allowed: tuple[Status, ...], **fields: Any) -> bool:
    rows = BatchJob.objects.filter(pk=batch.pk, status__in=allowed)
    with transaction.atomic():
        changed = rows.update(**fields)
        if changed:
            batch.refresh_from_db()
            note_status(batch)
        if changed and batch.is_terminal and not batch.is_dry_run:
            enlist(batch)
    return changed == 1


def start(
    batch: BatchJob,
    chunks: list[Chunk],
    *,
    model: str | None,
    enqueued_tokens: int = 0,
    preflight: dict[str, Any] | None = None,
) -> bool:
    """Move a valid batch to in_progress, with its plan; False if it was cancelled.

    Raises QuotaReached, and changes nothing, if its tokens are too many.
    """
    fault("start.planned")
    with transaction.atomic():
        Chunk.objects.filter(batch=batch).delete()
        Chunk.objects.bulk_create(chunks, batch_size=500)
        quota.reserve(batch, enqueued_tokens)
        started = _change(
            batch,
            (Status.VALIDATING,),
            status=Status.IN_PROGRESS,
            in_progress_at=Now(),
            total=sum(chunk.line_count for chunk in chunks),
            model=model,
            is_mixed=model is None,
            ops_lease_expires_at=None,
            canary=begun(batch.canary, chunks),
            enqueued_tokens=enqueued_tokens,
            preflight=preflight,
        )
        if not started:
            transaction.set_rollback(True)
            return False
        ring_workers()
        fault("start.saved")
    fault("start.committed")
    return True


def end_dry_run(
    batch: BatchJob, total: int, *, model: str | None, preflight: dict[str, Any]
) -> bool:
    """End a dry run whose input is valid, with what was seen of it."""
    return _change(
        batch,
        (Status.VALIDATING,),
        status=Status.COMPLETED,
        completed_at=Now(),
        total=total,
        model=model,
        is_mixed=model is None,
        preflight=preflight,
        ops_lease_expires_at=None,
    )


def fail(batch: BatchJob, errors: list[dict[str, Any]]) -> bool:
    """End a batch whose input is not valid, with the list of faults."""
    return _change(
        batch,
        (Status.VALIDATING,),
        status=Status.FAILED,
        failed_at=Now(),
        errors={"object": "list", "data": errors},
        ops_lease_expires_at=None,
    )


def cancel(batch: BatchJob) -> BatchJob:
    """Cancel a batch, as far as its status allows (contract 8.4).

    Nothing ran yet: it is cancelled at once. Otherwise it is cancelling until the
    worker has let go and the files are stored. Cancelling again changes nothing.
    Raises Conflict for a batch that has ended otherwise.
    """
    with transaction.atomic():
        ended = _change(
            batch,
            (Status.VALIDATING,),
            status=Status.CANCELLED,
            cancelling_at=Now(),
            cancelled_at=Now(),
        )
        if not ended and _change(
            batch, CANCELLABLE, status=Status.CANCELLING, cancelling_at=Now()
        ):
            ring_ops(batch)
    batch.refresh_from_db()
    if batch.status not in (Status.CANCELLING, Status.CANCELLED):
        raise Conflict(f"Cannot cancel a batch with status '{batch.status}'.")
    return batch


def count(batch_id: str, *, is_end: bool, **changes: int) -> None:
    """Add a segment's counts and usage; the last line moves the batch on.

    `is_end` tells that a chunk ended with it, without which no batch does.

    Called inside the transaction that commits the segment. The UPDATE locks the row,
    so of two workers that commit the last two chunks exactly one sees the end.
    """
    rows = BatchJob.objects.filter(pk=batch_id)
    rows.update(
        first_result_at=Coalesce(F("first_result_at"), Now()),
        **{field: F(field) + change for field, change in changes.items()},
    )
    finished = is_end and rows.filter(
        status=Status.IN_PROGRESS, total=F("completed") + F("failed")
    ).update(status=Status.FINALIZING, finalizing_at=Now())
    if finished:
        ring_ops(BatchJob(pk=batch_id))


BROKEN = (
    "The server could not go on with this batch; its log says why. Create the batch"
    " again."
)


def break_off(batch: BatchJob, message: str = BROKEN) -> bool:
    """Fail a batch over an internal fault (8.2): a bug, damaged or lost files."""
    error = {"code": "server_error", "line": None, "message": message, "param": None}
    return _change(
        batch,
        (
            Status.VALIDATING,
            Status.IN_PROGRESS,
            Status.FINALIZING,
            Status.CANCELLING,
        ),
        status=Status.FAILED,
        failed_at=Now(),
        errors={"object": "list", "data": [error]},
        ops_lease_expires_at=None,
    )


def break_off_lost(batch: BatchJob, what: str) -> bool:
    """Fail a batch over a file that is gone for good."""
    return break_off(batch, f"The server lost {what}. Create the batch again.")


def close(batch: BatchJob, *, output: File | None, error: File | None) -> bool:
    """Store the files of a batch whose lines all have a record, and end it.

    The status it ends in follows from the one it is in: finalizing → completed,
    cancelling → cancelled, in_progress past its deadline → expired.
    """
    ends = {
        Status.FINALIZING: (Status.COMPLETED, "completed_at"),
        Status.CANCELLING: (Status.CANCELLED, "cancelled_at"),
        Status.IN_PROGRESS: (Status.EXPIRED, "expired_at"),
    }
    old = Status(batch.status)
    new, moment = ends[old]
    fields: dict[str, Any] = {"status": new, moment: Now()}
    with transaction.atomic():
        for file in (output, error):
            if file is not None:
                file.save(force_insert=True)
        closed = _change(
            batch,
            (old,),
            **fields,
            output_file_id=output.pk if output else None,
            error_file_id=error.pk if error else None,
            ops_lease_expires_at=None,
        )
        if not closed:
            transaction.set_rollback(True)
        fault("final.saved")
    return closed
