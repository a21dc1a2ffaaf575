"""Durable results: a file first, then one transaction that makes it count.

The order is the promise: written file → fsync → rename → COMMIT. A file without a
`Segment` row is litter; a row is only ever written by the holder of the chunk's lease
and newest fence, checked in the same transaction (design.md §3).
"""

import hashlib
import io
import logging
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from typing import IO

from django.core.files.base import File as DjangoFile
from django.db import models, transaction
from django.db.models import F
from django.db.models.functions import Now

from batches import actions
from batches.exceptions import Fenced, SegmentDamaged
from batches.models import BatchJob, Chunk, Segment
from batches.models.batch import TERMINAL
from batches.records import Outcome, Usage
from files.models import batch_storage

logger = logging.getLogger(__name__)

COPY_BYTES = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Claim:
    """The right to write results of one chunk, until the lease ends."""

    chunk_id: int
    batch_id: str
    index: int
    fence: int
    owner: str


@dataclass
class Results:
    """Finished lines that wait to be made durable together."""

    output: list[bytes] = field(default_factory=list)
    error: list[bytes] = field(default_factory=list)
    usage: dict[str, int] = field(default_factory=lambda: asdict(Usage()))

    def add(self, record: bytes, outcome: Outcome) -> None:
        """Take one record."""
        (self.output if outcome.is_success else self.error).append(record)
        for name in self.usage:
            self.usage[name] += getattr(outcome.usage, name)

    def __len__(self) -> int:
        return len(self.output) + len(self.error)


def write(claim: Claim, sequence: int, results: Results) -> Segment:
    """Store the bytes durably and return the row that will make them count."""
    output = b"".join(results.output)
    content = output + b"".join(results.error)
    name = f"segments/{claim.batch_id}/{claim.index}-{claim.fence}-{sequence}.jsonl"
    path = batch_storage().save(name, DjangoFile(io.BytesIO(content), name=name))
    return Segment(
        chunk_id=claim.chunk_id,
        fence=claim.fence,
        sequence=sequence,
        path=path,
        sha256=hashlib.sha256(content).hexdigest(),
        bytes=len(content),
        output_bytes=len(output),
        line_count=len(results),
    )


def commit(claim: Claim, segment: Segment, results: Results, done: bytes) -> None:
    """Make a written segment count, or raise Fenced and change nothing.

    `done` is the chunk's bitmap with this segment's lines. Committing a segment whose
    row is already there (the answer to COMMIT was lost) does nothing.
    """
    with transaction.atomic():
        if _is_committed(segment):
            return
        _advance(claim, results, done)
        segment.created_at = Now()
        segment.save(force_insert=True)
        actions.count(
            claim.batch_id,
            completed=len(results.output),
            failed=len(results.error),
            **results.usage,
        )


def _is_committed(segment: Segment) -> bool:
    return Segment.objects.filter(
        chunk_id=segment.chunk_id, fence=segment.fence, sequence=segment.sequence
    ).exists()


def _advance(claim: Claim, results: Results, done: bytes) -> None:
    changed = Chunk.objects.filter(
        pk=claim.chunk_id,
        fence=claim.fence,
        lease_owner=claim.owner,
        lease_expires_at__gt=Now(),
    ).update(
        done=done,
        completed=F("completed") + len(results.output),
        failed=F("failed") + len(results.error),
    )
    if changed != 1:
        logger.warning(
            "fenced: %s holds chunk %s of %s no more; %d results were not written",
            claim.owner,
            claim.index,
            claim.batch_id,
            len(results),
        )
        raise Fenced(f"chunk {claim.index} of {claim.batch_id} has another owner")
    Chunk.objects.filter(
        pk=claim.chunk_id, line_count=F("completed") + F("failed")
    ).update(is_done=True, lease_owner="", lease_expires_at=None)


def copy_parts(
    segments: Iterable[Segment], output: IO[bytes], error: IO[bytes]
) -> Iterator[Segment]:
    """Append each segment's two parts to the two files, and yield it when done.

    Raises SegmentDamaged if the bytes are not those that were committed.
    """
    for segment in segments:
        digest = hashlib.sha256()
        with batch_storage().open(segment.path) as source:
            _copy(source, output, segment.output_bytes, digest)
            _copy(source, error, segment.bytes - segment.output_bytes, digest)
        if digest.hexdigest() != segment.sha256:
            raise SegmentDamaged(f"{segment.path} is not what was committed")
        yield segment


def _copy(
    source: IO[bytes], target: IO[bytes], count: int, digest: "hashlib._Hash"
) -> None:
    while count and (block := source.read(min(count, COPY_BYTES))):
        target.write(block)
        digest.update(block)
        count -= len(block)


def purge_ended(limit: int = 1000) -> int:
    """Delete segments of ended batches, whose lines lie in their files now."""
    ended = Segment.objects.filter(chunk__batch__status__in=TERMINAL)[:limit]
    for segment in ended:
        batch_storage().delete(segment.path)
        segment.delete()
    return len(ended)


def free(batch: BatchJob) -> bool:
    """Take every chunk away from workers that are gone; False while one holds on.

    The fence moves on, so that a worker thought dead can commit nothing more.
    """
    chunks = Chunk.objects.filter(batch=batch)
    chunks.filter(
        models.Q(lease_expires_at=None) | models.Q(lease_expires_at__lt=Now())
    ).update(fence=F("fence") + 1, lease_owner="", lease_expires_at=None)
    return not chunks.filter(lease_expires_at__gte=Now()).exists()


def claim_next(
    owner: str, seconds: int, candidates: models.QuerySet[Chunk]
) -> Chunk | None:
    """Lease the first candidate nobody was faster at, or return None."""
    for chunk in candidates.select_related("batch")[:8]:
        changed = Chunk.objects.filter(pk=chunk.pk, fence=chunk.fence).update(
            fence=F("fence") + 1,
            lease_owner=owner,
            lease_expires_at=Now() + timedelta(seconds=seconds),
        )
        if changed:
            chunk.refresh_from_db(fields=["fence", "done", "completed", "failed"])
            return chunk
    return None
