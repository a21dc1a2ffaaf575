"""Requests of any shape on a socket: an answer in the envelope, or a closed door.

No 500, no answer that never comes, and the server goes on.
"""

import json
import re
import socket
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conformance.client import Api

pytestmark = [pytest.mark.conformance, pytest.mark.timeout(600)]

HANG_SECONDS = 20
KEY = "{key}"
_LATIN = st.text(st.characters(max_codepoint=255, exclude_characters="\r\n"))
METHODS = st.one_of(
    st.sampled_from(["GET", "POST", "DELETE", "HEAD", "PUT", "get", "X" * 30]),
    _LATIN.filter(lambda text: " " not in text),
)
PATHS = st.builds(
    "/v1/{}{}".format,
    st.sampled_from(
        ["files", "files/file-1", "files/file-1/content", "batches", "batches/batch_1",
         "batches/batch_1/cancel", "models", "models/x", "webhook_endpoints", "%00",
         "files/%ff", "files/..%2f", "batches/batch_1/results", "x", "", "."]
    ),
    st.sampled_from(
        ["", "?limit=1", "?limit=%D9%A3", "?after=%00", "?after=%ff", "?%ff=%ff",
         "?&&=", "?limit=1&limit=2", "?order=desc", "#x", "%",
         "?" + "a=b&" * 900, "/" * 9]
    ),
)  # fmt: skip
HEADERS = st.one_of(
    st.sampled_from(
        [
            ("Content-Type", "application/json"),
            ("Content-Type", "application/json; charset=base64"),
            ("Content-Type", "application/json; charset=undefined"),
            ("Content-Type", "text/plain; charset=idna"),
            ("Content-Type", "application/json; a*=nonsense''%41"),
            ("Content-Type", "multipart/form-data; boundary=x; a*=idna''%ff"),
            ("Content-Type", "multipart/form-data; boundary=x"),
            ("Content-Type", "\xff"),
            ("Content-Length", "0"),
            ("Content-Length", "\xb2"),
            ("Content-Length", "9" * 5000),
            ("Content-Length", "-1"),
            ("Transfer-Encoding", "chunked"),
            ("Transfer-Encoding", "nonsense"),
            ("Content-Encoding", "gzip"),
            ("Expect", "100-continue"),
            ("Host", "\xff"),
            ("Host", "a:b:c"),
            ("Authorization", "Bearer \xff"),
            ("Authorization", "Bearer sk-" + "x" * 4000),
            ("Idempotency-Key", "\xff" * 300),
            ("X-Forwarded-For", "\xff, 1.2.3.4.5, ::1%x"),
            ("X-Forwarded-Proto", "https"),
            ("X-Client-Request-Id", "\x01"),
            ("X-Accel-Prefix", "/_stored/"),
            ("Range", "bytes=9-1,-0"),
            ("If-Modified-Since", "Thu, 99 Nov 99999"),
            ("If-None-Match", '"\xff'),
            ("Cookie", "sessionid=\xff; =; \x00"),
            ("Upgrade", "h2c"),
            ("Connection", "close, upgrade"),
        ]
    ),
    st.tuples(_LATIN, _LATIN),
)
BODIES = st.one_of(
    st.binary(max_size=60),
    st.sampled_from([b"{}", b"[]", b"0\r\n\r\n", b"5\r\nabcde\r\nzz\r\n", b"--x\r\n"]),
)


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """Write a request that is mostly one, now and then with some bytes changed."""
    headers = [("Host", "localhost"), ("Authorization", f"Bearer {KEY}")]
    headers += draw(st.lists(HEADERS, max_size=4))
    body = draw(BODIES)
    if draw(st.booleans()):
        headers.append(("Content-Length", str(len(body))))
    lines = [f"{draw(METHODS)} {draw(PATHS)} HTTP/1.{draw(st.sampled_from('110x'))}"]
    lines += [f"{name}: {value}" for name, value in headers]
    sent = "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 3]))):
        place = draw(st.integers(0, len(sent)))
        sent = sent[:place] + draw(st.binary(max_size=3)) + sent[place + 1 :]
    return sent


def exchange(address: tuple[str, int], sent: bytes) -> bytes:
    """Send, say that no more comes, and return all that is answered."""
    with socket.create_connection(address, timeout=HANG_SECONDS) as sock:
        found = b""
        try:
            sock.sendall(sent)
            sock.shutdown(socket.SHUT_WR)
            while block := sock.recv(1 << 16):
                found += block
        except (ConnectionResetError, BrokenPipeError):
            pass  # hung up on before all was sent; a TimeoutError would be a hang
        return found


def check(answer: bytes) -> None:
    """Check every answer's status, and that each error carries the envelope."""
    for status in re.findall(rb"^HTTP/1\.[01] (\d{3})", answer, re.M):
        # 501: a transfer coding that there is not.
        assert int(status) < 500 or int(status) == 501, answer
    head, _, body = answer.partition(b"\r\n\r\n")
    if re.match(rb"HTTP/1\.1 [45]", head) and b"application/json" in head and body:
        text, _, _ = body.partition(b"HTTP/1.1 ")
        assert set(json.loads(text)["error"]) >= {"message", "type", "param", "code"}


@given(sent=requests())
def test_any_request_is_answered_or_closed(api: Api, sent: bytes):
    check(exchange(address_of(api), sent.replace(KEY.encode(), api.key.encode())))


def test_the_server_goes_on_after_a_hundred_broken_requests(api: Api):
    for number in range(100):
        exchange(address_of(api), b"POST /v1/files HTTP/1.1\r\nHost: x\r\n"[:number])

    assert api.raw("GET", "/files").status_code == 200


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json; a*=nonsense''%41",
        "application/json; a*=idna''%ff",
        "application/json; a*=b; a*0*=c",
        "application/json; charset=base64",
        "application/json; charset=undefined",
    ],
)
def test_a_content_type_that_cannot_be_read_is_no_500(api: Api, content_type: str):
    headers = {"Content-Type": content_type}

    listed = api.raw("GET", "/files?after=%ff", headers=headers)
    created = api.raw("POST", "/batches", content=b"{}", headers=headers)

    assert listed.status_code in (400, 404), listed.text
    assert created.status_code == 400, created.text
    assert created.json()["error"]["param"] == "input_file_id"


def address_of(api: Any) -> tuple[str, int]:
    parts = urlsplit(api.base_url)
    return str(parts.hostname), int(parts.port or 0)
