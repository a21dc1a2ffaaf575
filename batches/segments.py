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

import msgspec
from django.core.files.base import File as DjangoFile
from django.db import models, transaction
from django.db.models import F
from django.db.models.functions import Now

from batches import actions, pause_actions
from batches.exceptions import Fenced, SegmentDamaged
from batches.models import BatchJob, Chunk, FailedRequest, Segment
from batches.outcomes import Outcome, Usage
from files.models import batch_storage
from files.stores import NewFile, store
from vllm_batch.lib.clock import database_now
from vllm_batch.lib.conf import conf
from vllm_batch.lib.faultpoints import fault

logger = logging.getLogger(__name__)

COPY_BYTES = 1 << 20
LONGEST_MESSAGE = 1000
OUTCOMES = ("cut_off", "invalid_output", "folded")
# How long the segments of an ended batch stay: somebody may be reading them.
KEEP_ENDED = timedelta(minutes=10)


@dataclass(frozen=True, kw_only=True)
class Claim:
    """The right to write results of one chunk, until the lease ends."""

    chunk_id: int
    batch_id: str
    index: int
    fence: int
    owner: str
    # The chunk's lines; 0 if not known, which costs a commit two more statements.
    line_count: int = 0

    def is_ended_by(self, done: bytes) -> bool:
        """Tell whether the chunk may have no open line with this bitmap."""
        ended = int.from_bytes(done).bit_count() == self.line_count
        return ended or not self.line_count


@dataclass
class Results:
    """Finished lines that wait to be made durable together."""

    output: list[bytes] = field(default_factory=list)
    error: list[bytes] = field(default_factory=list)
    usage: dict[str, int] = field(default_factory=lambda: asdict(Usage()))
    outcomes: dict[str, int] = field(default_factory=lambda: dict.fromkeys(OUTCOMES, 0))
    failures: list[FailedRequest] = field(default_factory=list)

    def add(
        self, record: bytes, outcome: Outcome, number: int, custom_id: bytes
    ) -> None:
        """Take one record of a line that was run."""
        for name in self.usage:
            self.usage[name] += getattr(outcome.usage, name)
        self._count(record, outcome)
        if not outcome.is_success:
            self.failures.append(_failed_request(outcome, number, custom_id))

    def add_folded(self, record: bytes, outcome: Outcome) -> None:
        """Take one record of a line that got an equal line's answer at no cost."""
        self.outcomes["folded"] += 1
        self._count(record, outcome)

    def _count(self, record: bytes, outcome: Outcome) -> None:
        (self.output if outcome.is_success else self.error).append(record)
        self.outcomes["cut_off"] += outcome.is_cut_off
        self.outcomes["invalid_output"] += outcome.is_invalid_output

    def __len__(self) -> int:
        return len(self.output) + len(self.error)


def _failed_request(outcome: Outcome, number: int, custom_id: bytes) -> FailedRequest:
    return FailedRequest(
        line=number,
        custom_id=msgspec.json.decode(custom_id, type=str),
        cause=outcome.cause,
        status=outcome.status,
        attempts=outcome.attempts,
        message=_storable(outcome.message[:LONGEST_MESSAGE]),
    )


def _storable(text: str) -> str:
    """Return text that every database takes: no NUL, no lone surrogates."""
    return text.replace("\0", "\ufffd").encode(errors="replace").decode()


def write(claim: Claim, sequence: int, results: Results) -> Segment:
    """Store the bytes durably and return the row that will make them count."""
    output = b"".join(results.output)
    content = output + b"".join(results.error)
    name = f"segments/{claim.batch_id}/{claim.index}-{claim.fence}-{sequence}.jsonl"
    fault("segment.written")
    path = batch_storage().save(name, DjangoFile(io.BytesIO(content), name=name))
    fault("segment.stored")
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


def commit(
    claim: Claim,
    segment: Segment,
    results: Results,
    done: bytes,
    *,
    is_first_try: bool = False,
) -> None:
    """Make a written segment count, or raise Fenced and change nothing.

    `done` is the chunk's bitmap with this segment's lines. Committing a segment whose
    row is already there (the answer to COMMIT was lost) does nothing.
    """
    is_end = claim.is_ended_by(done)
    with transaction.atomic():
        if not is_first_try and _is_committed(segment):
            return
        _advance(claim, results, done)
        if is_end:
            _end(claim)
        # First, because it locks the batch's row: so the ids of a batch's segments are
        # committed in their order, and no reader's cursor passes one by.
        actions.count(
            claim.batch_id,
            is_end=is_end,
            completed=len(results.output),
            failed=len(results.error),
            **results.usage,
            **results.outcomes,
        )
        if is_end:
            pause_actions.judge_canary(claim.batch_id)
        segment.created_at = Now()
        segment.save(force_insert=True)
        for failure in results.failures:
            failure.batch_id, failure.created_at = claim.batch_id, Now()
        FailedRequest.objects.bulk_create(results.failures)
        fault("segment.counted")
    fault("segment.committed")


def _is_committed(segment: Segment) -> bool:
    return Segment.objects.filter(
        chunk_id=segment.chunk_id, fence=segment.fence, sequence=segment.sequence
    ).exists()


def _advance(claim: Claim, results: Results, done: bytes) -> None:
    rows = Chunk.objects.filter(pk=claim.chunk_id)
    if not fault("segment.fence"):
        rows = rows.filter(
            fence=claim.fence,
            lease_owner=claim.owner,
            lease_expires_at__gt=Now(),
        )
    changed = rows.update(
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


def _end(claim: Claim) -> None:
    Chunk.objects.filter(
        pk=claim.chunk_id, line_count=F("completed") + F("failed")
    ).update(is_done=True, lease_owner="", lease_expires_at=None)


def copy_parts(
    segments: Iterable[Segment], output: NewFile, error: NewFile
) -> Iterator[Segment]:
    """Append each segment's two parts to the two files, and yield it when done.

    What the store would copy by itself, and answers for, is not read. Raises
    SegmentDamaged if the bytes are not those that were committed.
    """
    for segment in segments:
        cut, rest = segment.output_bytes, segment.bytes - segment.output_bytes
        is_large = output.copies(cut) or error.copies(rest)
        if is_large and store().vouches(segment.path, segment.bytes, segment.sha256):
            output.copy(segment.path, 0, cut)
            error.copy(segment.path, cut, rest)
        else:
            _read_whole(segment, output, error)
        yield segment


def _read_whole(segment: Segment, output: NewFile, error: NewFile) -> None:
    digest = hashlib.sha256()
    with batch_storage().open(segment.path) as source:
        _copy(source, output, segment.output_bytes, digest)
        _copy(source, error, segment.bytes - segment.output_bytes, digest)
    if digest.hexdigest() != segment.sha256:
        raise SegmentDamaged(f"{segment.path} is not what was committed")


def _copy(
    source: IO[bytes], target: IO[bytes], count: int, digest: "hashlib._Hash"
) -> None:
    while count and (block := source.read(min(count, COPY_BYTES))):
        target.write(block)
        digest.update(block)
        count -= len(block)


def purge_ended(limit: int = 1000, keep: timedelta = KEEP_ENDED) -> int:
    """Delete segments of batches that ended a while ago: their lines lie in files."""
    ended = BatchJob.objects.ended_before(
        database_now() - keep,
        # A batch that broke off has no files: its segments are all there is.
        failed=database_now() - timedelta(seconds=conf().FILE_LIFETIME_SECONDS),
    )
    segments = Segment.objects.filter(chunk__batch__in=ended)[:limit]
    for segment in segments:
        batch_storage().delete(segment.path)
        segment.delete()
    return len(segments)


def free(batch: BatchJob) -> bool:
    """Take every chunk away from workers that are gone; False while one holds on.

    The fence moves on, so that a worker thought dead can commit nothing more.
    """
    chunks = Chunk.objects.filter(batch=batch)
    chunks.filter(
        models.Q(lease_expires_at=None) | models.Q(lease_expires_at__lt=Now())
    ).update(fence=F("fence") + 1, lease_owner="", lease_expires_at=None)
    return not chunks.filter(lease_expires_at__gte=Now()).exists()
