"""Make the output and error file of a batch that has ended.

Safe to repeat and to run twice at once: the same batch always yields the same bytes,
and only the one that wins the status change keeps its files.
"""

import logging
from collections.abc import Callable, Iterator
from datetime import timedelta

from batches import actions, merging, records, segments
from batches.exceptions import SegmentDamaged
from batches.lines import open_input, pending_lines
from batches.models import BatchJob, Chunk, Segment, Status
from files.actions import discard, prepare_file
from files.litter import note_known
from files.models import File, Purpose
from files.stores import NewFile, new_file
from vllm_batch.lib.clock import database_now
from vllm_batch.lib.conf import conf
from vllm_batch.lib.faultpoints import fault

logger = logging.getLogger(__name__)

_UNEXECUTED = {
    Status.CANCELLING: "batch_cancelled",
    Status.IN_PROGRESS: "batch_expired",
}


def finalize(batch: BatchJob, keep_alive: Callable[[], None]) -> bool:
    """Write the files and end the batch; False if a worker still holds a chunk.

    `keep_alive` is called now and then, to renew the caller's lease on the batch.
    Raises SegmentDamaged if results on disk are not those that were committed.
    """
    if not segments.free(batch):
        return False
    with new_file() as output, new_file() as error:
        _write_all(batch, output, error, keep_alive)
        fault("final.copied")
        files = _prepare_both(batch, output, error)
    fault("final.stored")
    closed = actions.close(batch, output=files[0], error=files[1])
    if not closed:
        _discard(files)
        return False
    fault("final.closed")
    for file in filter(None, files):
        note_known(file.path)
    return True


def _write_all(
    batch: BatchJob,
    output: NewFile,
    error: NewFile,
    keep_alive: Callable[[], None],
) -> None:
    """Write each file's head, which no segment has, and then the segments' parts.

    Readers of results count on this order (results.py).
    """
    merging.copy_parent(batch, output, error, keep_alive)
    chunks = Chunk.objects.filter(batch=batch)
    count = 0
    for chunk in chunks.unfinished().iterator(chunk_size=100):
        keep_alive()
        for record in _unexecuted(batch, chunk):
            error.write(record)
            count += 1
    for chunk in chunks.iterator(chunk_size=100):
        keep_alive()
        rows = Segment.objects.filter(chunk=chunk).order_by("fence", "sequence")
        for segment in segments.copy_parts(rows, output, error):
            keep_alive()
            count += segment.line_count
    if count != batch.total:
        raise SegmentDamaged(f"{batch.pk}: {count} records for {batch.total} lines")


def _unexecuted(batch: BatchJob, chunk: Chunk) -> Iterator[bytes]:
    code = _UNEXECUTED[Status(batch.status)]
    with open_input(batch) as stream:
        for line in pending_lines(stream, chunk, is_mixed=batch.is_mixed):
            yield records.unexecuted(batch.pk, line.number, line.custom_id, code)


def _prepare_both(
    batch: BatchJob, output: NewFile, error: NewFile
) -> list[File | None]:
    made: list[File | None] = []
    try:
        made.append(_prepare(batch, "output", output))
        made.append(_prepare(batch, "error", error))
    except OSError:  # a full disk, say
        _discard(made)
        raise
    return made


def _prepare(batch: BatchJob, kind: str, content: NewFile) -> File | None:
    if content.size == 0:
        return None
    now = database_now()
    lifetime = batch.output_expires_seconds or conf().FILE_LIFETIME_SECONDS
    return prepare_file(
        batch.project,
        content,
        filename=f"{batch.pk}_{kind}.jsonl",
        purpose=Purpose.BATCH_OUTPUT,
        created_at=now,
        expires_at=now + timedelta(seconds=lifetime),
    )


def _discard(files: list[File | None]) -> None:
    for file in files:
        if file is not None:
            discard(file)
