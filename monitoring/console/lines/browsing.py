"""One page of a batch's lines: from a line on, with a status, with a text in it.

Pages go by line numbers, so the next page costs what the first one did. A page reads
one slice of the input (BATCH_CHUNK_LINES lines) and its results. A search reads on and
on; after `SECONDS` it stops and says where, and the page asks for more.
"""

import re
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import IO, cast

from batches.models import BatchJob
from files.models import File, batch_storage
from monitoring.console.lines.records import Records, open_records
from monitoring.console.lines.slices import Slice, slices_of
from monitoring.console.lines.texts import Excerpt, Shown, excerpt
from vllm_batch.lib.clock import database_now
from vllm_batch.lib.conf import conf
from vllm_batch.lib.jsonl import read_lines

PAGE_LINES = 25
SECONDS = 0.5
STATUSES = ("completed", "failed", "open")
LONGEST_TEXT = 200
LARGEST_NUMBER = 10**9


class InputGone(Exception):
    """The input file was deleted or has expired, or its bytes are not there."""


@dataclass(frozen=True)
class Query:
    """Which lines: those after `after`, with this status and text; empty is any."""

    after: int = 0
    status: str = ""
    text: str = ""

    @property
    def pattern(self) -> re.Pattern[str] | None:
        """What is looked for, in upper or lower case."""
        return re.compile(re.escape(self.text), re.IGNORECASE) if self.text else None

    def is_at(self, after: int) -> "Query":
        """Return the same from another line on."""
        return Query(after, self.status, self.text)


@dataclass(frozen=True)
class Entry:
    """A line of the page: what it is, and as much of its texts as is shown."""

    line: Shown
    custom_id: Excerpt
    prompt: Excerpt
    answer: Excerpt


@dataclass(frozen=True)
class Page:
    """Lines, the number of the last line that was looked at, and whether it is all.

    `is_short` tells that time ran out before the page was full.
    """

    entries: list[Entry]
    last: int
    is_end: bool
    is_short: bool = False


def look(batch: BatchJob, query: Query, most: int = PAGE_LINES) -> Page:
    """Return a page; raises InputGone."""
    ends_at = time.monotonic() + SECONDS
    found: list[Shown] = []
    last = query.after
    try:
        with ExitStack() as stack:
            for last, line in _walk(batch, query, stack):
                if line is not None:
                    found.append(line)
                if len(found) == most:
                    return Page(_entries(found, query), last, is_end=False)
                if time.monotonic() > ends_at:
                    return Page(_entries(found, query), last, False, is_short=True)
    except OSError as error:
        raise InputGone from error
    return Page(_entries(found, query), last, is_end=True)


def find(batch: BatchJob, number: int) -> Shown | None:
    """Return one line; None if there is no such line. Raises InputGone."""
    if not 1 <= number <= LARGEST_NUMBER:
        return None
    page = look(batch, Query(after=number - 1), most=1)
    line = page.entries[0].line if page.entries else None
    return line if line is not None and line.number == number else None


def _walk(
    batch: BatchJob, query: Query, stack: ExitStack
) -> Iterator[tuple[int, Shown | None]]:
    """Yield each line's number, and the line itself if it is looked for."""
    stream = _open_input(batch, stack)
    records = open_records(batch, stack)
    for part in slices_of(batch, query.after):
        if not part.has(query.status, query.after):
            yield part.last or query.after, None
            continue
        yield from _walk_slice(stream, records, part, query)


def _walk_slice(
    stream: IO[bytes], records: Records, part: Slice, query: Query
) -> Iterator[tuple[int, Shown | None]]:
    pattern = query.pattern
    stream.seek(part.first_byte)
    for line in read_lines(stream, conf().BATCH_MAX_LINE_BYTES, part.first):
        number = line.number
        if part.last is not None and number > part.last:
            return
        if number <= query.after:
            continue
        status = part.status_of(number)
        if line.is_blank or (query.status and status != query.status):
            yield number, None
            continue
        shown = Shown(
            number,
            status,
            line.content,
            None if status == "open" else records.find(part, number),
            part.failures.get(number),
        )
        is_hit = pattern is None or shown.has(pattern)
        yield number, shown if is_hit else None


def _open_input(batch: BatchJob, stack: ExitStack) -> IO[bytes]:
    files = File.objects.of(batch.project).visible(database_now())
    rows = files.filter(pk=batch.input_file_id, purged_at=None)
    path = rows.values_list("path", flat=True).first()
    if path is None:
        raise InputGone
    return cast(IO[bytes], stack.enter_context(batch_storage().open(path)))


def _entries(lines: list[Shown], query: Query) -> list[Entry]:
    pattern = query.pattern
    return [
        Entry(
            line,
            excerpt(line.custom_id, pattern),
            excerpt(line.prompt, pattern),
            excerpt(line.answer, pattern),
        )
        for line in lines
    ]


def read_query(values: "dict[str, str]") -> Query:
    """Return what an address asks for; what makes no sense is left out."""
    after = values.get("after", "")
    is_number = after.isascii() and after.isdigit() and len(after) <= 9
    status, text = values.get("status", ""), values.get("q", "").strip()
    return Query(
        after=int(after) if is_number else 0,
        status=status if status in STATUSES else "",
        text=text[:LONGEST_TEXT],
    )
