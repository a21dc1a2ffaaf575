"""What a batch has to show so far, as one stream of records.

A batch that runs shows its committed segments in the order of their commits. One that
has ended shows its two files. A cursor tells what a client has: the last segment it
saw, or everything. After the end a client with a segment's cursor gets the segments
that are new, then the heads of the files, which no segment has (finalizing.py). Once
the segments are purged it gets the whole files: rather a record twice than never.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from django.db.models import Max, QuerySet, Sum

from batches.models import BatchJob, Segment
from files.models import File, batch_storage
from vllm_batch.lib.clock import database_now
from vllm_batch.lib.errors import InvalidRequest, NotFound

READ_BYTES = 1 << 16
SEGMENTS_AT_A_TIME = 200
CURSOR_PATTERN = "(segment_[0-9]{1,18}|end)?"
END = "end"


class Part(NamedTuple):
    """The first `bytes` bytes of a stored file."""

    path: str
    bytes: int


@dataclass
class Results:
    """A stream that is planned, with its exact length and the cursor behind it."""

    next_cursor: str
    parts: list[Part] = field(default_factory=list)
    segments: "QuerySet[Segment] | None" = None
    segment_bytes: int = 0

    @property
    def length(self) -> int:
        """How many bytes the stream has."""
        return self.segment_bytes + sum(part.bytes for part in self.parts)

    def stream(self) -> Iterator[bytes]:
        """Yield the bytes; raises EOFError if one is missing."""
        for part in self._all_parts():
            yield from _read(part)

    def _all_parts(self) -> Iterator[Part]:
        last = 0
        while self.segments is not None:
            page = self.segments.filter(pk__gt=last)[:SEGMENTS_AT_A_TIME]
            rows = list(page.values_list("pk", "path", "bytes"))
            if not rows:
                break
            yield from (Part(path, count) for _, path, count in rows)
            last = rows[-1][0]
        yield from self.parts


def _read(part: Part) -> Iterator[bytes]:
    left = part.bytes
    with batch_storage().open(part.path) as file:
        while left:
            block = file.read(min(left, READ_BYTES))
            if not block:
                raise EOFError(f"{part.path} is {left} bytes short")
            left -= len(block)
            yield block


def results_of(batch: BatchJob, after: str) -> Results:
    """Plan what comes after a cursor; raises InvalidRequest and NotFound."""
    if not re.fullmatch(CURSOR_PATTERN, after):
        raise _malformed(after)
    if after == END:
        if not batch.is_terminal:
            raise _unknown()
        return Results(END)
    seen = int(after.removeprefix("segment_") or 0)
    return _of_ended(batch, seen) if batch.is_terminal else _of_segments(batch, seen)


def _of_ended(batch: BatchJob, seen: int) -> Results:
    files = [_file(batch, batch.output_file_id), _file(batch, batch.error_file_id)]
    found = [Part(file.path, file.bytes) for file in files if file is not None]
    if not found:  # broken off: what it had finished is in its segments only
        return _of_segments(batch, seen)
    if not seen or not _are_segments_whole(batch):
        return Results(END, found)
    rest = _of_segments(batch, seen)
    rest.parts = _heads(batch, files)
    rest.next_cursor = END
    return rest


def _of_segments(batch: BatchJob, seen: int) -> Results:
    """Plan the segments that are committed now; later ones have greater ids."""
    rows = _of(batch).filter(pk__gt=seen)
    if seen and not _of(batch).filter(pk=seen).exists():
        raise _unknown()
    found = rows.aggregate(last=Max("pk"), bytes=Sum("bytes"))
    last = found["last"] or seen
    return Results(
        f"segment_{last}",
        segments=rows.filter(pk__lte=last),
        segment_bytes=found["bytes"] or 0,
    )


def _malformed(after: str) -> InvalidRequest:
    shown = after[:100].encode(errors="replace").decode()
    return InvalidRequest(
        f"Invalid 'after': '{shown}' is no cursor. Take it from the header"
        " x-next-cursor, or leave it out.",
        param="after",
        code="invalid_value",
    )


def _unknown() -> NotFound:
    """Return the error for a cursor of another batch, as lists have it (R20)."""
    return NotFound("Resource not found.", param="after")


def _of(batch: BatchJob) -> QuerySet[Segment]:
    return Segment.objects.filter(chunk__batch=batch).order_by("pk")


def _are_segments_whole(batch: BatchJob) -> bool:
    """Tell whether no segment was purged yet."""
    lines = _of(batch).aggregate(lines=Sum("line_count"))["lines"] or 0
    return bool(lines == batch.completed + batch.failed)


def _heads(batch: BatchJob, files: list[File | None]) -> list[Part]:
    """Return the parts of the files that come before the segments' bytes."""
    sums = _of(batch).aggregate(all=Sum("bytes"), output=Sum("output_bytes"))
    output = sums["output"] or 0
    tails = (output, (sums["all"] or 0) - output)
    return [
        Part(file.path, file.bytes - tail)
        for file, tail in zip(files, tails, strict=True)
        if file is not None and file.bytes > tail
    ]


def _file(batch: BatchJob, file_id: str | None) -> File | None:
    if file_id is None:
        return None
    files = File.objects.of(batch.project).visible(database_now())
    file = files.filter(pk=file_id).first()
    if file is None:
        raise NotFound(
            f"The file {file_id} with results of this batch was deleted or has expired."
        )
    return file
