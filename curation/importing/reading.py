"""Read rows out of a file, one at a time, with their numbers."""

import io
import json
from collections.abc import Iterator
from typing import IO, Any, NamedTuple

from vllm_batch.lib.conf import conf
from vllm_batch.lib.jsonl import is_deeper_than, read_lines

BLOCK = 1 << 16
DEEPEST = 200
_SPACE = " \t\r\n,\ufeff"


class Row(NamedTuple):
    """A row by its number, from 1: its value, or what is wrong with it."""

    number: int
    value: Any = None
    error: str = ""


def jsonl_rows(stream: IO[bytes]) -> Iterator[Row]:
    """Yield the lines that are not blank, by their line numbers."""
    for line in read_lines(stream, conf().BATCH_MAX_LINE_BYTES):
        if line.is_blank:
            continue
        if line.is_cut:
            error = f"longer than {conf().BATCH_MAX_LINE_BYTES} bytes"
            yield Row(line.number, error=error)
        elif is_deeper_than(line.content, DEEPEST):
            yield Row(line.number, error=f"nested deeper than {DEEPEST} levels")
        else:
            yield _parsed(line.number, line.content)


def _parsed(number: int, content: bytes) -> Row:
    try:
        return Row(number, json.loads(content.decode()))
    except (ValueError, RecursionError) as error:
        return Row(number, error=f"no JSON: {error}")


def array_rows(stream: IO[bytes]) -> Iterator[Row]:
    """Yield the elements of one JSON array without holding it whole.

    An element that is no JSON ends it: where the next one begins, nobody can tell.
    """
    reader = io.TextIOWrapper(stream, encoding="utf-8", errors="replace")
    array = _Array(reader)
    try:
        yield from array.rows()
    finally:
        reader.detach()


class _Array:
    def __init__(self, reader: io.TextIOWrapper) -> None:
        self._reader, self._text, self._is_over = reader, "", False
        self._decoder = json.JSONDecoder()

    def _fill(self, size: int = BLOCK) -> None:
        more = self._reader.read(size)
        self._is_over = not more
        self._text += more

    def _skip_space(self) -> str:
        """Return the next character that counts, none at the end."""
        while True:
            self._text = self._text.lstrip(_SPACE)
            if self._text or self._is_over:
                return self._text[:1]
            self._fill()

    def rows(self) -> Iterator[Row]:
        if self._skip_space() != "[":
            yield Row(1, error="the file is no JSON array")
            return
        self._text = self._text[1:]
        number = 0
        while self._skip_space() not in ("]", ""):
            number += 1
            row = self._row(number)
            yield row
            if row.error:
                return
        if not self._text:
            yield Row(number + 1, error="the array does not end: the file is cut off")

    def _row(self, number: int) -> Row:
        """Return the next element; twice as much is read each time it is not whole."""
        while True:
            try:
                value, end = self._decoder.raw_decode(self._text)
            except (ValueError, RecursionError) as error:
                is_large = len(self._text) > conf().BATCH_MAX_LINE_BYTES
                if self._is_over or is_large or isinstance(error, RecursionError):
                    text = f"no JSON, and the rest was not read: {error}"
                    return Row(number, error=text)
                self._fill(max(BLOCK, len(self._text)))
                continue
            if end == len(self._text) and not self._is_over:
                self._fill()  # a number may go on
                continue
            self._text = self._text[end:]
            return Row(number, value)
