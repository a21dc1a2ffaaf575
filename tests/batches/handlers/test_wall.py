"""No form of a URL reaches a listener inside (T50), with real sockets."""

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from typing import Any

import pytest

from batches.handlers.webhook import targets
from batches.handlers.webhook.addresses import is_public
from batches.handlers.webhook.sending import NoAnswer, post
from batches.handlers.webhook.targets import UnsafeUrl
from tests.batches.handlers.test_targets import FORMS, NAMES, PRIVATE, resolving
from tests.rig.receiver import receiving

# Names whose address is inside, by whoever answers for them; the form is good.
INSIDE_NAMES = [
    "https://metadata.google.internal/computeMetadata/v1/",
    "https://instance-data.ec2.internal/latest/meta-data/",
    "https://127.0.0.1.nip.io/",
    "https://localtest.me/",
    "https://hooks.example.com/",
]
HOSTS = ["127.0.0.1", "::1"]


class Listener:
    """Counts who connects to one port, on both loopback addresses."""

    def __init__(self, stack: ExitStack) -> None:
        self.heard: list[Any] = []
        first = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        self.port: int = first.getsockname()[1]
        sockets = [first]
        with suppress(OSError):  # a machine without IPv6
            family = socket.AF_INET6
            second = socket.create_server(("::1", self.port), family=family)
            sockets.append(stack.enter_context(second))
        for one in sockets:
            threading.Thread(target=self._listen, args=(one,), daemon=True).start()

    def _listen(self, listening: socket.socket) -> None:
        with suppress(OSError):
            while True:
                connection, peer = listening.accept()
                self.heard.append(peer)
                connection.close()


@pytest.fixture
def listener(monkeypatch, configure) -> Iterator[Listener]:
    """Somebody listens where both schemes go by default."""
    with ExitStack() as stack:
        found = Listener(stack)
        ports = {"https": found.port, "http": found.port}
        monkeypatch.setattr(targets, "DEFAULT_PORTS", ports)
        configure(WEBHOOK_ALLOW_HTTP=True)
        yield found


def try_both(url: str) -> None:
    """Send by https and by http; both have to fail."""
    for form in (url, url.replace("https:", "http:", 1)):
        with pytest.raises((UnsafeUrl, NoAnswer)):
            post(form, b"{}", {}, seconds=2)


def test_the_listener_hears_whoever_gets_through(listener, configure):
    configure(WEBHOOK_ALLOWED_HOSTS=["127.0.0.1", "[::1]", "localhost"])

    for host in ("127.0.0.1", "localhost"):
        with pytest.raises(NoAnswer):
            post(f"http://{host}/", b"{}", {}, seconds=2)

    assert len(listener.heard) == 2


def test_no_form_reaches_a_listener(listener):
    forms = [url for url in (*FORMS, *NAMES) if "example.com" not in url]
    for url in forms:
        try_both(url)

    assert len(forms) >= 40 and listener.heard == []


def test_no_public_name_reaches_a_listener(listener, monkeypatch):
    """Forms that hide an inside host behind a name, and names that lead inside."""
    urls = [url for url in FORMS if "example.com" in url] + INSIDE_NAMES
    for address in HOSTS:
        resolving(monkeypatch, address)
        for url in urls:
            try_both(url)

    assert listener.heard == []


def test_a_name_that_changes_its_mind_reaches_no_listener(listener, monkeypatch):
    """DNS rebinding: public when it is checked, inside when somebody connects."""
    real = socket.getaddrinfo
    answers = ["192.0.2.1", *["127.0.0.1"] * 9]
    asked: list[str] = []

    def getaddrinfo(host: str, port: int, *rest: Any, **options: Any) -> Any:
        if host != "rebind.example":
            return real(host, port, *rest, **options)
        asked.append(answers[len(asked)])
        return [(socket.AF_INET, 1, 6, "", (asked[-1], port))]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    # Instead of an address of the internet, which a test does not call: one that
    # nobody has, and that counts as public here.
    monkeypatch.setattr(
        targets, "is_public", lambda a: a == "192.0.2.1" or is_public(a)
    )
    for _ in range(2):
        with pytest.raises((UnsafeUrl, NoAnswer)):
            post("http://rebind.example/", b"{}", {}, seconds=0.5)

    assert asked == ["192.0.2.1", "127.0.0.1"] and listener.heard == []


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_reaches_a_listener(listener, configure, status):
    with receiving(*redirects(status, listener.port)) as outer:
        configure(WEBHOOK_ALLOWED_HOSTS=[outer.url.split("/")[2]])
        for _ in HOSTS:
            assert post(outer.url, b"{}", {}).status == status

    assert listener.heard == []


def redirects(status: int, port: int) -> list[Any]:
    """Answers that point to both addresses of the listener."""
    hosts = [f"[{host}]" if ":" in host else host for host in HOSTS]
    return [(status, {"Location": f"http://{host}:{port}/"}) for host in hosts]


def test_every_kind_of_form_is_among_them():
    kinds = {
        "octal": "https://0177.0.0.1/",
        "hexadecimal": "https://0x7f000001/",
        "one number": "https://2130706433/",
        "short": "https://127.1/",
        "IPv4-mapped": "https://[::ffff:127.0.0.1]/",
        "NAT64": "https://[64:ff9b::7f00:1]/",
        "6to4": "https://[2002:7f00:1::]/",
        "link-local": "https://[fe80::1]/",
        "metadata": "https://169.254.169.254/latest/meta-data/",
        "user name": "https://user@127.0.0.1/",
        "fragment": "https://127.0.0.1#@example.com/",
        "backslash": "https://example.com\\@127.0.0.1/",
        "wide digits": "https://１２７.0.0.1/",
        "other scheme": "gopher://127.0.0.1:25/",
    }
    assert set(kinds.values()) <= set(FORMS)
    assert len({*FORMS, *NAMES, *INSIDE_NAMES}) >= 80 and len(PRIVATE) >= 40
