"""Make batches of lines that we write ourselves, with their input files."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import IO

from accounts.models import Project
from batches import actions
from batches.models import BatchJob
from batches.orders import BatchOrder
from curation.exceptions import UnsuitableFile
from files.actions import discard, prepare_file
from files.litter import note_known
from files.models import File, Purpose
from files.reserve import is_reached
from files.stores import new_file
from vllm_batch.environment import window_seconds
from vllm_batch.lib.clock import database_now
from vllm_batch.lib.conf import conf

LONGEST_FILENAME = 255


def write_input(
    project: Project, filename: str, write: Callable[[IO[bytes]], int]
) -> File:
    """Store what `write` writes as an input file, whose row is not saved yet.

    `write` returns how many lines it wrote.
    """
    if is_reached():
        raise UnsuitableFile("The disk is full. Nothing was stored; free some space.")
    with new_file() as target:
        count = write(target)
        if target.tell() > conf().BATCH_MAX_BYTES:
            raise UnsuitableFile(
                f"The file is larger than {conf().BATCH_MAX_BYTES} bytes"
                " (BATCH_MAX_BYTES)."
            )
        now = database_now()
        return prepare_file(
            project,
            target,
            filename=filename[-LONGEST_FILENAME:],
            purpose=Purpose.BATCH,
            created_at=now,
            expires_at=now + timedelta(seconds=conf().FILE_LIFETIME_SECONDS),
            line_count=count,
        )


@contextmanager
def kept(files: list[File]) -> Iterator[None]:
    """Keep the files' bytes if the block commits their rows, else delete them."""
    try:
        yield
    except BaseException:
        for file in files:
            discard(file)
        raise
    for file in files:
        note_known(file.path)


def store_batch(
    file: File, endpoint: str, metadata: dict[str, str] | None = None
) -> BatchJob:
    """Store a batch with its new input file, and ring for its validation."""
    order = BatchOrder(
        input_file_id=file.pk,
        endpoint=endpoint,
        completion_window=conf().BATCH_COMPLETION_WINDOWS[0],
        metadata=metadata,
    )
    now = database_now()
    lifetime = timedelta(seconds=window_seconds(order.completion_window))
    batch = BatchJob(
        project=file.project,
        input_file_id=file.pk,
        endpoint=endpoint,
        completion_window=order.completion_window,
        metadata=metadata,
        request_digest=order.digest(),
        created_at=now,
        expires_at=now + lifetime,
    )
    return actions.store(batch, file)
