"""JSON Lines: split at newline bytes only, write lines no reader can tear.

Sources: contract 6.1 (framing) and 7.4 (escaping).
"""

import re
from collections.abc import Iterator
from typing import IO, NamedTuple

BOM = b"\xef\xbb\xbf"

# Raw, these split a line for `str.splitlines` and the SDK's `iter_lines`. In JSON
# they occur only inside strings, where the escape means the same.
_SEPARATORS = (
    (b"\xe2\x80\xa8", b"\\u2028"),
    (b"\xe2\x80\xa9", b"\\u2029"),
    (b"\xc2\x85", b"\\u0085"),
)


class Line(NamedTuple):
    """One physical line: number from 1, place in the file, bytes without newline.

    `length` counts what lies in the file, newline and byte order mark included.
    `is_cut` tells that the line goes on beyond `content`.
    """

    number: int
    offset: int
    length: int
    content: bytes
    is_cut: bool = False

    @property
    def is_blank(self) -> bool:
        """Tell whether the line holds white space only, which counts as no line."""
        return not self.is_cut and not self.content.strip(b" \t\r")


def read_lines(stream: IO[bytes], max_bytes: int, number: int = 1) -> Iterator[Line]:
    """Yield the lines of `stream`, which stands at the start of line `number`.

    A line longer than `max_bytes` is cut off there (its rest is skipped), so that a
    file without newlines cannot fill the memory; the reader sees the length. A byte
    order mark before line 1 is left out.
    """
    offset = stream.tell()
    while content := stream.readline(max_bytes + 2):
        skipped = _skip_rest(stream, content)
        length = len(content) + skipped
        if number == 1 and content.startswith(BOM):
            content = content[len(BOM) :]
        yield Line(number, offset, length, content.removesuffix(b"\n"), skipped > 0)
        offset += length
        number += 1


def _skip_rest(stream: IO[bytes], content: bytes) -> int:
    """Read on to the end of a line that was cut off; return how much was skipped."""
    skipped = 0
    while not content.endswith(b"\n") and (content := stream.readline(1 << 20)):
        skipped += len(content)
    return skipped


def one_line(document: bytes) -> bytes:
    """Return a valid JSON document as one line that every reader sees as one."""
    if b"\n" in document or b"\r" in document:
        # Valid JSON has raw newlines as white space only, never inside a string.
        document = document.replace(b"\n", b" ").replace(b"\r", b" ")
    if document.isascii():
        return document  # looked for at once, the separators cost 40 times as much
    for raw, escaped in _SEPARATORS:
        if raw in document:
            document = document.replace(raw, escaped)
    return document


_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)


def is_deeper_than(document: bytes, limit: int) -> bool:
    """Tell whether arrays and objects are nested deeper than `limit`.

    Parsers stop at a depth that hangs on their caller's stack; a limit of our own lets
    a line that was once accepted be read again anywhere.
    """
    if document.count(b"[") + document.count(b"{") <= limit:
        return False  # nearly every document; the rest is looked at closely
    depth = 0
    for byte in _STRING.sub(b"", document):
        if byte in b"[{":
            depth += 1
            if depth > limit:
                return True
        elif byte in b"]}":
            depth -= 1
    return False
