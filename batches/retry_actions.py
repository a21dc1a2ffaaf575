"""Run failed lines again: a new batch over a copy of their lines."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import IO, cast

from django.db import IntegrityError

from batches import actions
from batches.copying import copy_requests, records
from batches.models import BatchJob
from batches.orders import RetryOrder
from batches.retrying import choose, read_failed
from files.actions import discard, prepare_file
from files.litter import note_known
from files.models import File, Purpose, batch_storage
from files.reserve import is_reached
from files.stores import new_file
from vllm_batch.environment import window_seconds
from vllm_batch.lib.clock import database_now
from vllm_batch.lib.conf import conf
from vllm_batch.lib.errors import Conflict, InsufficientStorage, QuotaExceeded


def retry(
    parent: BatchJob, order: RetryOrder, idempotency_key: str | None = None
) -> BatchJob:
    """Make a batch of the parent's failed lines that the order chooses.

    It goes through validation as any batch does. The same idempotency key with the same
    order returns the first one. Raises Conflict if the parent is not there for it,
    InvalidRequest if the order fits no line, and QuotaExceeded.
    """
    digest = order.digest(parent.pk)
    known = actions.repeated(parent.project, digest, idempotency_key)
    if known is not None:
        return known
    _check(parent, order)
    if is_reached():
        raise InsufficientStorage
    with _open(parent, parent.error_file_id, "error") as stream:
        chosen = choose(map(read_failed, records(stream)), order)
    file = _copy_lines(parent, chosen)
    batch = _child(parent, order, file)
    batch.idempotency_key, batch.request_digest = idempotency_key, digest
    try:
        stored = actions.store(batch, file)
    except (IntegrityError, Conflict, QuotaExceeded):
        discard(file)
        raise
    if stored is not batch:  # somebody with the same key was faster
        discard(file)
    else:
        note_known(file.path)
    return stored


def _check(parent: BatchJob, order: RetryOrder) -> None:
    if not parent.is_terminal:
        raise Conflict(f"Cannot retry a batch with status '{parent.status}'.")
    if parent.error_file_id is None:
        raise Conflict(
            "This batch has no error file: none of its lines failed, or none was run."
        )
    if order.is_merged and parent.output_file_id is not None:
        _visible(parent, parent.output_file_id, "output")


def _visible(batch: BatchJob, file_id: str | None, kind: str) -> File:
    """Return a file of the batch; raises Conflict if its owner let it go."""
    files = File.objects.of(batch.project).visible(database_now())
    file = files.filter(pk=file_id, purged_at=None).first()
    if file is None:
        raise _gone(batch, kind)
    return file


def _gone(batch: BatchJob, kind: str) -> Conflict:
    return Conflict(
        f"The {kind} file of batch {batch.pk} was deleted or has expired, so its lines"
        " cannot be run again. Upload them again."
    )


@contextmanager
def _open(batch: BatchJob, file_id: str | None, kind: str) -> Iterator[IO[bytes]]:
    file = _visible(batch, file_id, kind)
    try:
        stream = cast(IO[bytes], batch_storage().open(file.path))
    except FileNotFoundError:
        raise _gone(batch, kind) from None
    with stream:
        yield stream


def _copy_lines(parent: BatchJob, chosen: set[str]) -> File:
    """Store the chosen lines' own bytes as a new input file.

    An error file with merged records names lines of the parent's own parent too.
    """
    left, source = set(chosen), parent
    with new_file() as target:
        while True:
            with _open(source, source.input_file_id, "input") as stream:
                copy_requests(stream, left, target)
            if not left:
                break
            if not source.is_merged or source.parent is None:
                raise _gone(source, "input")
            source = source.parent
        now = database_now()
        return prepare_file(
            parent.project,
            target,
            filename=f"{parent.pk}_retry.jsonl",
            purpose=Purpose.BATCH,
            created_at=now,
            expires_at=now + timedelta(seconds=conf().FILE_LIFETIME_SECONDS),
            line_count=len(chosen),
        )


def _child(parent: BatchJob, order: RetryOrder, file: File) -> BatchJob:
    now = database_now()
    lifetime = timedelta(seconds=window_seconds(parent.completion_window))
    return BatchJob(
        project=parent.project,
        parent=parent,
        is_merged=order.is_merged,
        input_file_id=file.pk,
        endpoint=parent.endpoint,
        completion_window=parent.completion_window,
        metadata=order.metadata if order.has_metadata else parent.metadata,
        output_expires_seconds=parent.output_expires_seconds,
        priority=parent.priority,
        pinned_manifest=parent.pinned_manifest,
        created_at=now,
        expires_at=now + lifetime,
    )
