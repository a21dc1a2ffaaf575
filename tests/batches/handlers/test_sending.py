"""One POST over a real socket: what is sent, and what a bad receiver can do."""

import socket
import threading
import time
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from batches.handlers.webhook import sending
from batches.handlers.webhook.sending import NoAnswer, post
from tests.rig.receiver import receiving

pytestmark = pytest.mark.usefixtures("loopback")


@contextmanager
def raw_server(act):
    """Serve one connection by hand."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = listener.accept()
        with connection, suppress(OSError):
            act(connection)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
    finally:
        listener.close()
        thread.join(5)


def failure(url: str, seconds: float = 5) -> str:
    with pytest.raises(NoAnswer) as caught:
        post(url, b"{}", {}, seconds)
    return str(caught.value)


def test_it_posts_json_with_the_headers_given():
    with receiving(204) as receiver:
        reply = post(receiver.url + "?a=b", b'{"x":1}', {"webhook-id": "wh_1"})

    (got,) = receiver.posts
    assert (reply.status, reply.is_success) == (204, True)
    assert (got.path, got.body) == ("/hook?a=b", b'{"x":1}')
    assert got.headers["content-type"] == "application/json"
    assert got.headers["webhook-id"] == "wh_1"
    assert got.headers["user-agent"].startswith("vllm-batch/")
    assert got.headers["host"] == receiver.url.split("/")[2]


@pytest.mark.parametrize("status", [301, 302, 307, 308, 400, 404, 410, 500, 503])
def test_anything_but_2xx_is_a_failure(status):
    with receiving(status) as receiver:
        assert not post(receiver.url, b"{}", {}).is_success


def test_a_redirect_is_not_followed():
    with receiving(200) as inside, receiving((302, {"Location": inside.url})) as outer:
        reply = post(outer.url, b"{}", {})

    assert (reply.status, inside.posts) == (302, [])


def test_a_proxy_of_the_environment_is_not_used(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    with receiving(200) as receiver:
        assert post(receiver.url, b"{}", {}).is_success


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("120", 120), ("999999999", 86_400), ("soon", None), ("-1", None), ("", None)],
)
def test_retry_after_is_read(header, seconds):
    with receiving((503, {"Retry-After": header})) as receiver:
        assert post(receiver.url, b"{}", {}).retry_after == seconds


def test_retry_after_may_be_a_date():
    date = format_datetime(datetime.now(UTC) + timedelta(minutes=10), usegmt=True)
    with receiving((429, {"Retry-After": date})) as receiver:
        wait = post(receiver.url, b"{}", {}).retry_after

    assert wait is not None and 590 < wait <= 600


def test_nobody_there():
    with receiving() as receiver:
        url = receiver.url
    assert failure(url) == "Connection refused"


def test_an_unknown_host(configure, monkeypatch):
    def getaddrinfo(*_, **__):
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    assert (
        failure("https://nowhere.invalid/") == "the host nowhere.invalid was not found"
    )


def hang(connection: socket.socket) -> None:
    connection.settimeout(5)
    while connection.recv(4096):
        pass


def drip(connection: socket.socket) -> None:
    for byte in b"HTTP/1.1 200 OK\r\n" + b"x" * 1000:
        connection.sendall(bytes([byte]))
        time.sleep(0.1)


def headers_for_ever(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    while True:
        connection.sendall(b"x: y\r\n")


@pytest.mark.parametrize("act", [hang, drip])
def test_a_receiver_that_does_not_end_is_cut_off(act):
    started = time.monotonic()
    with raw_server(act) as url:
        text = failure(url, 0.6)

    assert text == "it did not answer within 0.6 s"
    assert time.monotonic() - started < 3


def test_a_body_without_end_is_not_read():
    sent: list[int] = []

    def act(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while len(sent) < 100_000:
            connection.sendall(b"x" * 16_384)
            sent.append(16_384)

    with raw_server(act) as url:
        assert post(url, b"{}", {}, 5).status == 200

    assert sum(sent) < 20 << 20


def test_a_body_that_stalls_changes_nothing():
    def act(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nx")
        hang(connection)

    with raw_server(act) as url:
        assert post(url, b"{}", {}, 0.5).is_success


@pytest.mark.parametrize(
    "act",
    [
        lambda connection: connection.recv(9),
        lambda connection: connection.sendall(b"SSH-2.0-OpenSSH_9.6\r\n"),
        lambda connection: connection.sendall(b"HTTP/1.1 200 OK\r\n" + b"a:\r\n" * 500),
        headers_for_ever,
    ],
)  # fmt: skip
def test_what_is_no_http_is_no_answer(act):
    with raw_server(act) as url:
        assert failure(url)


def test_tls_is_spoken_and_checked():
    with raw_server(hang) as url:
        assert "https" in (https := url.replace("http:", "https:"))
        assert failure(https, 0.6) == "it did not answer within 0.6 s"


def test_tls_with_somebody_who_speaks_none():
    def act(connection: socket.socket) -> None:
        connection.recv(100)
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with raw_server(act) as url:
        assert failure(url.replace("http:", "https:"))


def test_the_name_is_shown_to_tls(monkeypatch):
    seen = []

    def with_tls(raw: socket.socket, host: str) -> socket.socket:
        seen.append(host)
        return raw

    monkeypatch.setattr(sending, "_with_tls", with_tls)
    with receiving(200) as receiver:
        url = receiver.url.replace("http://127.0.0.1", "https://localhost")
        post(url, b"{}", {})

    assert seen == ["localhost"]
    assert receiver.posts[0].headers["host"].startswith("localhost:")
