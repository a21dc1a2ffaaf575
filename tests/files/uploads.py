"""Send an upload's bytes exactly as a test wants them, as a WSGI server would."""

import io
from collections.abc import Iterator
from typing import IO, Any

from django.test import Client

BOUNDARY = "----boundary"
BLOCK_BYTES = 1 << 16


def part(name: str, content: bytes, filename: str | None = None) -> bytes:
    """Return one part of a form."""
    named = f'; filename="{filename}"' if filename is not None else ""
    header = f'Content-Disposition: form-data; name="{name}"{named}'
    return f"--{BOUNDARY}\r\n{header}\r\n\r\n".encode() + content + b"\r\n"


def form(
    content: bytes = b"{}\n", filename: str | None = "in.jsonl", **fields: str
) -> bytes:
    """Return a whole form with a file, purpose batch unless told otherwise."""
    fields = {"purpose": "batch", **fields}
    texts = [part(name, text.encode()) for name, text in fields.items()]
    return b"".join(texts) + part("file", content, filename) + END


END = f"--{BOUNDARY}--\r\n".encode()


def send(
    client: Client,
    body: bytes | IO[bytes] | io.RawIOBase,
    *,
    length: int | None = None,
    content_type: str = f"multipart/form-data; boundary={BOUNDARY}",
) -> Any:
    """Post a body to /v1/files; `length` is the Content-Length if it is a lie."""
    if isinstance(body, bytes):
        length = len(body) if length is None else length
        body = io.BytesIO(body)
    environ: dict[str, Any] = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/v1/files",
        "CONTENT_TYPE": content_type,
        "CONTENT_LENGTH": str(length),
        "wsgi.input": body,
    }
    return client.request(**environ)


class Streamed(io.RawIOBase):
    """A body that is made while it is read, so that a test does not hold it."""

    def __init__(self, before: bytes, size: int, after: bytes) -> None:
        self.length = len(before) + size + len(after)
        self._blocks = self._make(before, size, after)
        self._rest = b""

    def _make(self, before: bytes, size: int, after: bytes) -> Iterator[bytes]:
        yield before
        block = b"x" * (BLOCK_BYTES - 1) + b"\n"
        for _ in range(size // len(block)):
            yield block
        yield after

    def read(self, size: int | None = -1) -> bytes:
        """Return up to `size` bytes, or what is left of the current block."""
        if not self._rest:
            self._rest = next(self._blocks, b"")
        taken = self._rest[:size] if size is not None and size >= 0 else self._rest
        self._rest = self._rest[len(taken) :]
        return taken
