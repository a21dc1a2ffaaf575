"""Which address a request came from. Pure.

`X-Forwarded-For` is written by whoever likes to: only what a trusted proxy added to its
right end is believed. Read from the right, the first address that is no trusted proxy
is the client's; what stands to the left of it may be invented.
"""

from collections.abc import Iterable, Mapping
from ipaddress import (
    IPv4Address,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import Any

from vllm_batch.wall_environment import UNIX

Address = IPv4Address | IPv6Address
# A household or a rented machine has a whole /64 of IPv6: it counts as one.
IPV6_PREFIX = 64


def client_of(meta: Mapping[str, Any], proxies: Iterable[str]) -> str:
    """Return what a client is counted by: its IPv4 address, or its IPv6 /64.

    `meta` is a WSGI environment, `proxies` are networks, or `unix` for peers without
    an address. The result is empty for a peer without one that is not trusted.
    """
    trusted = list(proxies)
    networks = [ip_network(text) for text in trusted if text != UNIX]

    def is_trusted(address: Address | None) -> bool:
        if address is None:
            return UNIX in trusted
        return any(address in network for network in networks)

    current = _read(str(meta.get("REMOTE_ADDR") or ""))
    hops = str(meta.get("HTTP_X_FORWARDED_FOR") or "").split(",")
    while hops and is_trusted(current):
        hop = _read(hops.pop())
        if hop is None:
            break  # no address: the proxy that let it through is as far as we see
        current = hop
    return _group(current)


def _read(text: str) -> Address | None:
    """Return an address, which may have a port or be mapped into IPv6."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _group(address: Address | None) -> str:
    if isinstance(address, IPv6Address):
        return str(IPv6Network((address, IPV6_PREFIX), strict=False))
    return str(address or "")
