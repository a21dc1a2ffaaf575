"""Which addresses webhooks may be sent to: those of the public internet only.

A list of our own, because `ipaddress.is_global` says yes to translated, tunnelled and
multicast forms of private addresses, and says it differently from Python to Python.
"""

from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
)

Address = IPv4Address | IPv6Address

_BLOCKED_4 = [
    IPv4Network(text)
    for text in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # carrier-grade NAT, and some clouds' metadata
        "127.0.0.0/8",  # loopback
        "169.254.0.0/16",  # link-local, and most clouds' metadata
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # IETF protocols
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",  # private
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and broadcast
    )
]
# Everything else is loopback, private, link- and site-local, multicast, NAT64, or has
# no meaning yet.
_PUBLIC_6 = IPv6Network("2000::/3")
_BLOCKED_6 = [
    IPv6Network(text)
    for text in (
        "2001::/23",  # IETF protocols: Teredo, ORCHID, benchmarks
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4: holds any IPv4 address
        "3fff::/20",  # documentation
    )
]


def is_public(text: str) -> bool:
    """Tell whether an address, as a resolver writes it, belongs to the internet."""
    try:
        address: Address = ip_address(text)
    except ValueError:
        return False
    if isinstance(address, IPv6Address):
        if address.scope_id is not None:
            return False
        if address.ipv4_mapped is None:
            is_blocked = any(address in network for network in _BLOCKED_6)
            return address in _PUBLIC_6 and not is_blocked
        address = address.ipv4_mapped
    return not any(address in network for network in _BLOCKED_4)
