"""Which address a request counts for: proxies are believed, clients are not."""

import pytest

from accounts.limiting.addresses import client_of

PROXY, CLIENT, OTHER = "10.0.0.1", "203.0.113.7", "198.51.100.9"


def seen(peer: str, forwarded: str | None = None, proxies: str = "10.0.0.0/8") -> str:
    meta = {"REMOTE_ADDR": peer}
    if forwarded is not None:
        meta["HTTP_X_FORWARDED_FOR"] = forwarded
    return client_of(meta, proxies.split(",") if proxies else [])


def test_without_a_proxy_it_is_the_peer():
    assert seen(CLIENT) == CLIENT


def test_a_stranger_cannot_say_who_he_is():
    assert seen(CLIENT, OTHER) == CLIENT


def test_nobody_is_believed_unless_named():
    assert seen(PROXY, CLIENT, proxies="") == PROXY


def test_a_proxys_word_counts():
    assert seen(PROXY, CLIENT) == CLIENT


@pytest.mark.parametrize(
    "invented", ["1.1.1.1", "1.1.1.1, 2.2.2.2", "rubbish", "10.0.0.3", ""]
)
def test_what_the_client_put_before_it_does_not(invented):
    assert seen(PROXY, f"{invented}, {CLIENT}") == CLIENT


def test_it_goes_through_a_row_of_proxies():
    assert seen(PROXY, f"{OTHER}, {CLIENT}, 10.0.0.2, 10.9.9.9") == CLIENT


def test_a_client_that_is_a_proxy_counts_as_itself():
    assert seen(PROXY, "10.0.0.2") == "10.0.0.2"


def test_a_proxy_that_says_nothing_counts_as_itself():
    assert seen(PROXY) == PROXY
    assert seen(PROXY, "") == PROXY


@pytest.mark.parametrize(
    "word", ["unknown", "_hidden", "a" * 9000, "1.2.3", "999.1.1.1", "\0"]
)
def test_what_is_no_address_ends_the_search(word):
    assert seen(PROXY, f"{OTHER}, {word}") == PROXY


@pytest.mark.parametrize(
    "written",
    [f"{CLIENT}:4711", f"::ffff:{CLIENT}", f"[::ffff:{CLIENT}]:80", f"  {CLIENT} "],
)
def test_an_address_may_be_written_in_several_ways(written):
    assert seen(PROXY, written) == CLIENT


def test_a_network_of_ipv6_counts_as_one():
    first = seen(PROXY, "2001:db8:1:2::1")
    second = seen(PROXY, "[2001:db8:1:2:ffff:ffff:ffff:ffff]:443")

    assert first == second == "2001:db8:1:2::/64"
    assert seen(PROXY, "2001:db8:1:3::1") != first


def test_a_zone_is_no_other_address():
    assert seen("fe80::1%eth0", None) == "fe80::/64"


def test_a_proxy_on_a_unix_socket_is_named_unix():
    assert seen("", CLIENT) == ""
    assert seen("", CLIENT, proxies="unix") == CLIENT


def test_a_mapped_peer_is_the_proxy_it_is():
    assert seen(f"::ffff:{PROXY}", CLIENT) == CLIENT


@pytest.mark.parametrize("number", range(200))
def test_changing_headers_changes_nothing(number):
    assert seen(PROXY, f"{number}.1.2.3, 8.8.{number}.8, {CLIENT}") == CLIENT
