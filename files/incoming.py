"""Receive a file in constant memory: written, hashed and checked as it arrives."""

import codecs
from pathlib import PurePosixPath
from typing import IO, Any

from django.core.files.uploadhandler import FileUploadHandler, StopUpload
from django.http.multipartparser import MultiPartParser as DjangoMultiPartParser
from django.http.multipartparser import MultiPartParserError
from rest_framework.parsers import BaseParser, DataAndFiles

from files.stores import UPLOAD, begin_file
from vllm_batch.lib.conf import conf
from vllm_batch.lib.errors import InvalidRequest, LengthRequired

# Room for the other form fields and the part headers around the file.
FORM_BYTES = 1 << 20
LONGEST_NAME, LONGEST_SUFFIX = 255, 32


class IncomingFile:
    """One uploaded file: its facts, and its bytes on their way into the storage."""

    def __init__(self, name: str) -> None:
        self.name = _shortened(name)
        self.content = begin_file(UPLOAD)
        self._newlines = 0
        self._last_byte = b""
        self.is_utf8 = True
        self.is_finished = False
        self._decoder = codecs.getincrementaldecoder("utf-8")()

    def write(self, data: bytes) -> None:
        """Take the next bytes."""
        self.content.write(data)
        self._newlines += data.count(b"\n")
        self._last_byte = data[-1:] or self._last_byte
        self._check_utf8(data, is_last=False)

    def finish(self) -> None:
        """Note that no more bytes come."""
        self.is_finished = True
        self._check_utf8(b"", is_last=True)

    def _check_utf8(self, data: bytes, *, is_last: bool) -> None:
        if not self.is_utf8:
            return
        try:
            self._decoder.decode(data, is_last)
        except UnicodeDecodeError:
            self.is_utf8 = False

    @property
    def size(self) -> int:
        """How many bytes arrived."""
        return self.content.size

    @property
    def line_count(self) -> int:
        """How many lines the content has, a last one without its newline included."""
        return self._newlines + (self._last_byte not in (b"", b"\n"))

    def close(self) -> None:
        """Do nothing: Django calls it where a form breaks off; `discard` follows."""

    def discard(self) -> None:
        """Remove what arrived, unless it was kept."""
        self.content.discard()


def _shortened(name: str) -> str:
    """Return the name as far as it can be stored, its extension kept."""
    if len(name) <= LONGEST_NAME:
        return name
    suffix = PurePosixPath(name).suffix[:LONGEST_SUFFIX]
    return name[: LONGEST_NAME - len(suffix)] + suffix


class _Receiver(FileUploadHandler):
    """Django's hook that gets the file's bytes as they arrive."""

    chunk_size = 1 << 20

    def __init__(self) -> None:
        super().__init__()
        self.received: list[IncomingFile] = []
        self.is_too_large = False

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        super().new_file(*args, **kwargs)
        self.received.append(IncomingFile(self.file_name or ""))

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        incoming = self.received[-1]
        incoming.write(raw_data)
        if incoming.size > conf().FILE_MAX_BYTES:
            self.is_too_large = True
            raise StopUpload(connection_reset=True)

    def file_complete(self, file_size: int) -> Any:
        self.received[-1].finish()
        return self.received[-1]


class _Counted:
    """The request's body, counted while it is read, and never beyond its length."""

    def __init__(self, stream: IO[bytes], length: int) -> None:
        self._stream = stream
        self.left = length

    def read(self, size: int = -1) -> bytes:
        size = self.left if size < 0 else min(size, self.left)
        data = self._stream.read(size)
        self.left -= len(data)
        return data


class StreamingMultiPartParser(BaseParser):
    """Parses an upload; the file goes into the storage, the text fields into memory.

    A WSGI server ends a cut-off body without an error, so the bytes read are compared
    with Content-Length (evidence: parts §7); a body without one is refused.
    """

    media_type = "multipart/form-data"

    def parse(
        self,
        stream: IO[bytes],
        media_type: str | None = None,
        parser_context: Any = None,
    ) -> DataAndFiles:  # type: ignore[type-arg]
        """Return fields and files; raises InvalidRequest or LengthRequired."""
        request = parser_context["request"]
        length = content_length(request.META)
        counted = _Counted(stream, length)
        receiver = _Receiver()
        try:
            parser = DjangoMultiPartParser(request.META, counted, [receiver], "utf-8")  # type: ignore[arg-type]
            fields, files = parser.parse()
            _refuse_cut_off(counted, receiver)
        except (MultiPartParserError, TypeError) as error:
            # TypeError: what Python's parser of part headers makes of some parameters.
            _discard(receiver)
            raise InvalidRequest(f"The upload's form is malformed: {error}") from error
        except BaseException:
            _discard(receiver)
            raise
        return DataAndFiles(fields, files)


def _discard(receiver: _Receiver) -> None:
    for incoming in receiver.received:
        incoming.discard()


def _refuse_cut_off(counted: _Counted, receiver: _Receiver) -> None:
    if receiver.is_too_large:
        raise InvalidRequest("File is too large.")
    while counted.left and counted.read(1 << 16):
        pass  # what follows the last boundary
    unfinished = [file for file in receiver.received if not file.is_finished]
    if counted.left or unfinished:
        raise InvalidRequest(
            "The upload broke off: fewer bytes arrived than Content-Length said. Send"
            " the file again."
        )


def content_length(meta: dict[str, Any]) -> int:
    """Return how long the upload is; raises LengthRequired or InvalidRequest."""
    text = meta.get("CONTENT_LENGTH") or ""
    if not text.isdigit():
        raise LengthRequired(
            "Send the upload with a Content-Length: without one a broken-off upload"
            " could not be told from a whole one."
        )
    length = int(text)
    if length > conf().FILE_MAX_BYTES + FORM_BYTES:
        raise InvalidRequest("File is too large.")
    return length
