"""The wall around the inside network: no form of a private address gets through."""

import socket
from typing import Any

import pytest

from batches.handlers.webhook.addresses import is_public
from batches.handlers.webhook.sending import NoAnswer, post
from batches.handlers.webhook.targets import UnsafeUrl, check_url, resolve
from tests.rig.receiver import receiving

PRIVATE = [
    "127.0.0.1", "127.255.255.254", "0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1",
    "100.100.100.200", "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.8",
    "192.0.2.1", "192.88.99.1", "192.168.1.1", "198.18.0.1", "198.51.100.1",
    "203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255",
    "::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:10.0.0.1",
    "::ffff:0:127.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::a00:1", "100::1",
    "2001::1", "2001:10::1", "2001:20::1", "2001:db8::1", "2002:7f00:1::",
    "3fff::1", "5f00::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fe80::1%eth0",
    "2606:4700::1%eth0", "fec0::1", "ff02::1", "4000::1", "not an address", "",
]  # fmt: skip
PUBLIC = ["1.1.1.1", "8.8.8.8", "172.32.0.1", "100.128.0.1", "2606:4700:4700::1111",
          "2a00:1450:4001::1", "::ffff:8.8.8.8"]  # fmt: skip

# Each is sent to by some client that resolves or parses more kindly than it should.
FORMS = [
    "https://127.0.0.1/", "https://127.1/", "https://127.0.1/", "https://2130706433/",
    "https://0x7f000001/", "https://0x7f.0.0.1/", "https://0177.0.0.1/",
    "https://017700000001/", "https://127.0.0.0x1/", "https://0/", "https://0.0.0.0/",
    "https://127.0.0.01/", "https://127.0.0.1./", "https://①②⑦.⓪.⓪.①/",
    "https://１２７.0.0.1/", "https://127。0。0。1/", "https://[::1]/", "https://[::]/",
    "https://[0:0:0:0:0:0:0:1]/", "https://[::ffff:127.0.0.1]/",
    "https://[::ffff:7f00:1]/", "https://[::127.0.0.1]/", "https://[64:ff9b::7f00:1]/",
    "https://[2002:7f00:1::]/", "https://[fe80::1]/", "https://[fe80::1%25eth0]/",
    "https://[fec0::1]/", "https://[fd00::1]/", "https://[ff02::1]/",
    "https://[::1", "https://::1/", "https://10.0.0.1/", "https://172.16.0.1/",
    "https://192.168.0.1/", "https://169.254.169.254/latest/meta-data/",
    "https://100.100.100.200/", "https://198.18.0.1/", "https://224.0.0.1/",
    "https://255.255.255.255/", "https://user@127.0.0.1/", "https://a:b@example.com/",
    "https://example.com@127.0.0.1/", "https://127.0.0.1#@example.com/",
    "https://example.com\\@127.0.0.1/", "https://127.0.0.1\\.example.com/",
    "https://127.0.0.1%2f.example.com/", "https://example.com%00.evil.com/",
    "https:// 127.0.0.1/", "https://127.0.0.1\t/", "https://exa\nmple.com/",
    "https://example.com/\r\nHost: evil", "https:/127.0.0.1/", "https:127.0.0.1",
    "//127.0.0.1/", "http://example.com/", "HTTP://127.0.0.1/", "ftp://example.com/",
    "file:///etc/passwd", "gopher://127.0.0.1:25/", "javascript:alert(1)",
    "https://example.com:22/", "https://example.com:0/", "https://example.com:65536/",
    "https://example.com:443:80/", "https://example.com:+443/", "https:///",
    "https://.example.com/", "https://example..com/", "https://-a.example.com/",
    "https://ſ.example.com/", "https://" + "a" * 64 + ".com/",
    "https://example.com/" + "a" * 2048, "", "https://",
]  # fmt: skip
# Names that a resolver may know: the form is good, the addresses are not.
NAMES = ["https://localhost/", "https://LOCALHOST/", "https://ip6-localhost/",
         "https://localhost.localdomain/"]  # fmt: skip


@pytest.fixture
def no_connections(monkeypatch) -> list[Any]:
    """Note every address that somebody connects to."""
    seen: list[Any] = []
    monkeypatch.setattr(
        socket, "create_connection", lambda address, **_: seen.append(address)
    )
    return seen


def resolving(monkeypatch, *addresses: str) -> list[str]:
    """Let every name have these addresses; return the names that were asked for."""
    asked: list[str] = []

    def getaddrinfo(host: str, port: int, **_: Any) -> list[Any]:
        asked.append(host)
        kinds = [socket.AF_INET6 if ":" in a else socket.AF_INET for a in addresses]
        return [(k, 1, 6, "", (a, port)) for k, a in zip(kinds, addresses, strict=True)]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return asked


@pytest.mark.parametrize("address", PRIVATE)
def test_what_is_not_the_internet(address):
    assert not is_public(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_what_is_the_internet(address):
    assert is_public(address)


def test_there_are_sixty_forms():
    assert len({*FORMS, *NAMES}) >= 60


@pytest.mark.parametrize("url", FORMS)
def test_no_form_is_sent_to(url, no_connections):
    with pytest.raises(UnsafeUrl):
        check_url(url)
    with pytest.raises(UnsafeUrl):
        post(url, b"{}", {})
    assert no_connections == []


@pytest.mark.parametrize("url", NAMES)
def test_no_name_of_this_machine_is_sent_to(url, no_connections):
    with pytest.raises((UnsafeUrl, NoAnswer)):
        post(url, b"{}", {})
    assert no_connections == []


@pytest.mark.parametrize("address", [a for a in PRIVATE if ":" in a or "." in a])
def test_no_name_leads_inside(monkeypatch, address, no_connections):
    resolving(monkeypatch, "8.8.8.8", address)

    with pytest.raises(UnsafeUrl, match="public internet"):
        post("https://hooks.example.com/", b"{}", {})

    assert no_connections == []


def test_it_connects_to_the_address_that_was_checked(monkeypatch):
    asked = resolving(monkeypatch, "8.8.8.8", "8.8.4.4")
    seen = []

    def refuse(address, **_):
        seen.append(address)
        raise ConnectionRefusedError(111, "refused")

    monkeypatch.setattr(socket, "create_connection", refuse)
    with pytest.raises(NoAnswer):
        post("https://hooks.example.com/", b"{}", {})

    assert asked == ["hooks.example.com"]
    assert seen == [("8.8.8.8", 443), ("8.8.4.4", 443)]


@pytest.mark.parametrize(
    ("url", "host", "port", "path", "authority"),
    [
        ("https://Example.COM", "example.com", 443, "/", "example.com"),
        ("https://a.example:443/a?b=c%20", "a.example", 443, "/a?b=c%20", "a.example"),
        ("https://example.com?x", "example.com", 443, "/?x", "example.com"),
        ("https://1.1.1.1/", "1.1.1.1", 443, "/", "1.1.1.1"),
        ("https://[2606:4700::1]/", "2606:4700::1", 443, "/", "[2606:4700::1]"),
        ("https://xn--bcher-kva.example/", "xn--bcher-kva.example", 443, "/", None),
    ],
)  # fmt: skip
def test_a_good_url_is_taken_apart(url, host, port, path, authority):
    target = check_url(url)

    assert (target.host, target.port, target.path) == (host, port, path)
    assert target.authority == (authority or host)


def test_named_private_hosts_are_allowed(configure, monkeypatch):
    configure(WEBHOOK_ALLOWED_HOSTS=["intranet", "10.0.0.5:8443", "[fd00::1]:*"])
    resolving(monkeypatch, "10.1.1.1")

    assert resolve(check_url("https://intranet/")) == ["10.1.1.1"]
    assert check_url("https://10.0.0.5:8443/") and check_url("https://[fd00::1]:9/")


@pytest.mark.parametrize(
    "url", ["https://intranet:8443/", "https://10.0.0.5/", "https://sub.intranet:1/"]
)
def test_an_allowed_host_opens_no_other_door(configure, url):
    configure(WEBHOOK_ALLOWED_HOSTS=["intranet", "10.0.0.5:8443"])

    with pytest.raises(UnsafeUrl):
        check_url(url)


def test_an_allowed_host_makes_http_no_better(configure):
    configure(WEBHOOK_ALLOWED_HOSTS=["intranet:*"])

    with pytest.raises(UnsafeUrl, match="https only"):
        check_url("http://intranet/")


def test_a_listener_on_loopback_hears_nothing(configure):
    configure(WEBHOOK_ALLOW_HTTP=True)
    with receiving(200) as receiver:
        port = receiver.url.split(":")[2]
        for host in ("127.0.0.1", "localhost", "[::1]", "2130706433"):
            with pytest.raises(UnsafeUrl):
                post(f"http://{host}:{port}", b"{}", {})

    assert receiver.posts == []
