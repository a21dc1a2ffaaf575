"""Cut a batch's input into slices that can be read alone, as its chunks say.

The chunks of a mixed batch lie over the same lines, so they make one slice together. A
batch without chunks (still validating, or not valid) is one slice.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from typing import NamedTuple

from django.db.models import F, QuerySet

from batches.lines import is_done
from batches.models import BatchJob, Chunk, FailedRequest

AT_A_TIME = 50


class Failure(NamedTuple):
    """Why a line failed: its cause, the engine's last status, the number of tries."""

    cause: str
    status: int
    attempts: int


@dataclass(frozen=True)
class Slice:
    """Lines `first` to `last` of the input; `last` is None where nobody knows it."""

    first: int = 1
    last: int | None = None
    first_byte: int = 0
    chunks: tuple[int, ...] = ()
    bitmaps: tuple[bytes, ...] = ()
    failures: Mapping[int, Failure] = field(default_factory=dict)

    def status_of(self, number: int) -> str:
        """Return completed, failed, or open for a line without a result."""
        if number in self.failures:
            return "failed"
        position = number - self.first
        if any(is_done(bitmap, position) for bitmap in self.bitmaps):
            return "completed"
        return "open"

    def has(self, status: str, after: int) -> bool:
        """Tell whether a line after `after` may have this status."""
        if status == "failed":
            return any(number > after for number in self.failures)
        if not status or self.last is None:
            return True
        numbers = range(max(self.first, after + 1), self.last + 1)
        return any(self.status_of(number) == status for number in numbers)


def slices_of(batch: BatchJob, after: int = 0) -> Iterator[Slice]:
    """Yield the slices with lines after `after`, in their order."""
    rows = Chunk.objects.filter(batch=batch).order_by("index")
    if not rows.exists():
        yield Slice()
        return
    # `span` lines from `first_line` on: the last of them comes after `after`.
    rows = rows.filter(first_line__gt=after + 1 - F("span"))
    for _, group in groupby(_paged(rows), key=lambda chunk: chunk.first_line):
        yield _slice(list(group))


def _paged(rows: QuerySet[Chunk]) -> Iterator[Chunk]:
    index = -1
    while True:
        page = list(rows.filter(index__gt=index)[:AT_A_TIME])
        yield from page
        if len(page) < AT_A_TIME:
            return
        index = page[-1].index


def _slice(chunks: list[Chunk]) -> Slice:
    chunk = chunks[0]
    last = chunk.first_line + chunk.span - 1
    failed = FailedRequest.objects.filter(
        batch=chunk.batch_id, line__range=(chunk.first_line, last)
    )
    columns = failed.order_by().values_list("line", "cause", "status", "attempts")
    return Slice(
        first=chunk.first_line,
        last=last,
        first_byte=chunk.first_byte,
        chunks=tuple(chunk.pk for chunk in chunks),
        bitmaps=tuple(bytes(chunk.done) for chunk in chunks),
        failures={row[0]: Failure(*row[1:]) for row in columns},
    )
