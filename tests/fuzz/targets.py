"""Parsers of outside input and their promises: what is fed with unexpected bytes.

A target takes any bytes. It returns if the code kept its promises, and raises if not.
`make fuzz` searches for bytes that break one; `make test` tries seeds and some chance.
"""

import io
import json
import os
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from django.conf import settings
from django.core.handlers.wsgi import WSGIRequest
from django.http import HttpResponse, QueryDict
from django.utils.http import content_disposition_header, parse_header_parameters

from batches.limits import Limits
from batches.lines import pending_lines
from batches.models import Chunk
from batches.offers import Offer
from batches.ordering import Traits, target_url
from batches.parameters import read_order, read_pause, read_retry
from batches.records import unexecuted
from batches.validation import DEEPEST, LineValidator
from files.incoming import LONGEST_NAME, StreamingMultiPartParser
from files.parameters import check_upload
from vllm_batch.lib.content_type import readable
from vllm_batch.lib.errors import exception_handler
from vllm_batch.lib.json_parser import StrictJSONParser
from vllm_batch.lib.jsonl import Line, is_deeper_than, one_line, read_lines
from vllm_batch.lib.pagination import Cursor, PageLimits

CHAT = "/v1/chat/completions"
BOUNDARY = "xx"
LONGEST_LINE = 1000
LIMITS = Limits(max_n=4, max_top_logprobs=5, max_tokens=100, max_stop=2)
PAGES = PageLimits(default=20, least=1, most=100, has_order=True)
SEPARATORS = ("\u2028", "\u2029", "\x85")


def lines(data: bytes) -> None:
    """Every byte belongs to one line, and each line is found again where it lies."""
    stream = io.BytesIO(data)
    found = list(read_lines(stream, LONGEST_LINE))
    assert sum(line.length for line in found) == len(data)
    assert [line.number for line in found] == list(range(1, len(found) + 1))
    for line in found:
        stream.seek(line.offset)
        assert next(read_lines(stream, LONGEST_LINE, line.number)) == line
        assert b"\n" not in line.content


def line(data: bytes) -> None:
    """A line gets faults that name it, or can be read back and run as it was sent."""
    content = data.replace(b"\n", b" ")
    if not _is_utf8(content):
        return  # the upload was refused
    one = Line(1, 0, len(content), content)
    if one.is_blank:
        return
    validator = LineValidator(
        CHAT,
        {"stub": Offer(), "small": Offer(limits=LIMITS)},
        allow_mixed_models=False,
        max_line_bytes=1 << 20,
    )
    model, found = validator.check(one)
    for fault in found:
        assert fault.line == 1 and fault.message and fault.code
        text = json.dumps(fault.as_error(), ensure_ascii=False)
        assert "\\u0000" not in text and text.encode()
    if not found:
        _runs(content, model)
    elif [fault.code for fault in found] == ["invalid_json_line"]:
        assert is_deeper_than(content, DEEPEST) or not _is_object(content)


def _is_utf8(content: bytes) -> bool:
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True


def _runs(content: bytes, model: str) -> None:
    sent = json.loads(content)
    assert sent["custom_id"] and sent["method"] == "POST" and sent["url"] == CHAT
    assert sent["body"]["model"] == model
    chunk = Chunk(first_line=1, span=1, first_byte=0, done=b"\0", model=model)
    (request,) = pending_lines(io.BytesIO(content), chunk, is_mixed=True)
    assert json.loads(request.body) == sent["body"] and request.body in content
    Traits(target_url(CHAT, request.body), request.body, fold=True)
    record = unexecuted("batch_1", 1, request.custom_id, "batch_expired")
    assert record.count(b"\n") == 1
    assert not any(separator in record.decode() for separator in SEPARATORS)
    assert json.loads(record)["custom_id"] == sent["custom_id"]
    assert json.loads(one_line(content)) == sent


def _is_object(content: bytes) -> bool:
    """Tell whether strict JSON readers agree that this is an object of plain text."""
    try:
        found = json.loads(content.decode(), parse_constant=_refuse)
        json.dumps(found, ensure_ascii=False).encode()  # fails at a lone surrogate
    except (ValueError, RecursionError):
        return False
    return isinstance(found, dict)


def _refuse(name: str) -> None:
    raise ValueError(name)


def form(data: bytes) -> None:
    """An upload's form is read or refused with a 4xx; nothing stays on the disk."""
    _read_form(data)
    assert os.listdir(settings.FILE_UPLOAD_TEMP_DIR) == []


def name(data: bytes) -> None:
    """A file's name can be stored and sent in a header, whatever it was."""
    header = data.replace(b"\r\n\r\n", b"")
    part = b'Content-Disposition: form-data; name="file"; ' + header
    head = b"--xx\r\nContent-Disposition: form-data; name=purpose\r\n\r\nevals\r\n"
    kept = _read_form(head + b"--xx\r\n" + part + b"\r\n\r\n{}\r\n--xx--\r\n")
    if kept is None:
        return
    assert 0 < len(kept) <= LONGEST_NAME and kept.encode()
    assert not any(ord(character) < 32 for character in kept), repr(kept)
    assert not {"/", "\\"} & set(kept) and kept not in (".", "..")
    response = HttpResponse()
    response["Content-Disposition"] = content_disposition_header(True, kept)
    assert response["Content-Disposition"].isascii()


def _read_form(data: bytes) -> str | None:
    """Read a form as the view does; return the file's name if it is accepted."""
    meta = {
        "CONTENT_TYPE": f"multipart/form-data; boundary={BOUNDARY}",
        "CONTENT_LENGTH": str(len(data)),
    }
    request = SimpleNamespace(META=meta)
    context = {"request": request}

    def read() -> str:
        parser = StreamingMultiPartParser()
        parsed = parser.parse(io.BytesIO(data), parser_context=context)
        try:
            fields = {key: str(value) for key, value in parsed.data.items()}
            check_upload(fields, parsed.files)
            return str(parsed.files["file"].name)
        finally:
            for _, received in parsed.files.lists():
                for incoming in received:
                    incoming.discard()

    kept: str | None = _answered(read)
    return kept


def order(data: bytes) -> None:
    """A JSON body is understood or refused, by whichever route reads it."""

    def read() -> None:
        body = StrictJSONParser().parse(io.BytesIO(data))
        for reader in (read_order, read_retry, read_pause):
            _answered(lambda reader=reader: reader(body))  # type: ignore[misc]

    _answered(read)


def header(data: bytes) -> None:
    """No Content-Type and no query stops a request from being made and read."""
    content_type, _, query = data.decode("latin-1").partition("\n")
    kept = readable(content_type)
    parse_header_parameters(kept)
    environ: dict[str, Any] = {
        "REQUEST_METHOD": "GET",
        "CONTENT_TYPE": kept,
        "QUERY_STRING": query,
        "wsgi.input": io.BytesIO(),
    }
    given: QueryDict = WSGIRequest(environ).GET
    _answered(lambda: Cursor.parse(given, PAGES))


def _answered(read: Callable[[], Any]) -> Any:
    """Return what was read; what is raised has to be an answer in the envelope."""
    try:
        return read()
    except Exception as error:
        response = exception_handler(error, {})
        if response is None or response.status_code >= 500:
            raise
        written = json.dumps(response.data, ensure_ascii=False)
        assert written.encode() and set(response.data) == {"error"}
        return None


TARGETS: dict[str, Callable[[bytes], None]] = {
    target.__name__: target for target in (lines, line, form, name, order, header)
}
