"""Find the record of a line: in the segments while a batch runs, then in its files.

A record's id follows from its batch and line, so no record has to be parsed to be
found. The files of an ended batch are read once from end to end to note where each
record lies (about a second for a gigabyte); the note is kept in memory and costs 20
bytes a line.
"""

from array import array
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import ExitStack
from functools import lru_cache
from typing import IO, Protocol, cast

from batches.models import BatchJob, Segment
from files.models import File, batch_storage
from monitoring.console.lines.slices import Slice, slices_of
from vllm_batch.lib.clock import database_now
from vllm_batch.lib.ids import derived_id

_START = b'{"id":"'
_ID = slice(len(_START), len(_START) + len("batch_req_") + 32)
KEPT_PLACES = 16


def _id_of(batch_id: str, number: int) -> bytes:
    return derived_id("batch_req_", batch_id, number).encode()


class Records(Protocol):
    """Where the records of a batch are."""

    def find(self, part: Slice, number: int) -> bytes | None:
        """Return a line's record; None if there is none, or none any more."""


class NoRecords:
    """Of files that their owner deleted, or that expired."""

    def find(self, part: Slice, number: int) -> bytes | None:
        """Return nothing."""
        return None


class SegmentRecords:
    """Reads the segments of one slice at a time."""

    def __init__(self, batch: BatchJob) -> None:
        self._batch_id = batch.pk
        self._chunks: tuple[int, ...] | None = None
        self._found: dict[bytes, bytes] = {}

    def find(self, part: Slice, number: int) -> bytes | None:
        """Return a line's record; raises OSError if a segment cannot be read."""
        if part.chunks != self._chunks:
            self._found = {record[_ID]: record for record in _stored(part)}
            self._chunks = part.chunks
        return self._found.get(_id_of(self._batch_id, number))


def _stored(part: Slice) -> Iterator[bytes]:
    rows = Segment.objects.filter(chunk__in=part.chunks)
    for path in rows.values_list("path", flat=True):
        with batch_storage().open(path) as stream:
            yield from cast(IO[bytes], stream)


class Places:
    """Where the record of each line lies: in which file, from which byte on."""

    def __init__(self, batch: BatchJob, streams: list[IO[bytes]]) -> None:
        self._numbers = array("Q", _done_numbers(batch))
        self._offsets = array("q", [-1]) * len(self._numbers)
        self._files = bytearray(len(self._numbers))
        index = {
            _id_of(batch.pk, number): place
            for place, number in enumerate(self._numbers)
        }
        for file, stream in enumerate(streams):
            offset = 0
            for record in stream:
                place = index.get(record[_ID])
                if place is not None:
                    self._offsets[place], self._files[place] = offset, file
                offset += len(record)

    def find(self, number: int) -> tuple[int, int] | None:
        """Return the number of the file and the offset in it."""
        place = bisect_left(self._numbers, number)
        if place == len(self._numbers) or self._numbers[place] != number:
            return None
        offset = self._offsets[place]
        return None if offset < 0 else (self._files[place], offset)


def _done_numbers(batch: BatchJob) -> Iterator[int]:
    for part in slices_of(batch):
        last = part.last or 0
        for number in range(part.first, last + 1):
            if part.status_of(number) != "open":
                yield number


@lru_cache(maxsize=KEPT_PLACES)
def _places(batch_id: str, paths: tuple[str, ...]) -> Places:
    """Read the files once; ended batches and stored files never change."""
    with ExitStack() as stack:
        streams = [stack.enter_context(batch_storage().open(path)) for path in paths]
        return Places(BatchJob(pk=batch_id), cast(list[IO[bytes]], streams))


class FileRecords:
    """Reads single records out of the output and the error file."""

    def __init__(self, batch: BatchJob, paths: tuple[str, ...], stack: ExitStack):
        self._places = _places(batch.pk, paths)
        self._streams = [
            stack.enter_context(batch_storage().open(path)) for path in paths
        ]

    def find(self, part: Slice, number: int) -> bytes | None:
        """Return a line's record."""
        place = self._places.find(number)
        if place is None:
            return None
        stream = self._streams[place[0]]
        stream.seek(place[1])
        return cast(bytes, stream.readline())


def open_records(batch: BatchJob, stack: ExitStack) -> Records:
    """Return where the batch's records are; `stack` closes what was opened.

    Raises OSError if the bytes of a file are gone.
    """
    names = [pk for pk in (batch.output_file_id, batch.error_file_id) if pk]
    if not (batch.is_terminal and names):
        return SegmentRecords(batch)
    files = File.objects.of(batch.project).visible(database_now())
    found = files.filter(pk__in=names, purged_at=None).order_by("pk")
    paths = tuple(found.values_list("path", flat=True))
    return FileRecords(batch, paths, stack) if paths else NoRecords()
