"""Where a webhook goes: the URL's form, and the addresses behind its host.

Two checks: the form when an endpoint is saved, the addresses at each attempt. Whoever
connects uses the addresses that were checked, so that a name cannot change its mind in
between (DNS rebinding).
"""

import re
import socket
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from batches.handlers.webhook.addresses import is_public
from vllm_batch.lib.conf import conf

LONGEST_URL = 2048
DEFAULT_PORTS = {"https": 443, "http": 80}
_LABEL = "[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
# A last label with a digit in front is an address, perhaps in disguise.
_TOP = "[A-Za-z_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_PATH = "(?:/[!$%&'()*+,./0-9:;=@A-Z_a-z~-]*)?(?:[?][!$%&'()*+,./0-9:;=?@A-Z_a-z~-]*)?"
# No userinfo, no fragment, no white space, no backslash, ASCII only.
_URL = re.compile(
    rf"(?P<scheme>https?)://(?P<host>\[[0-9a-f:.]+\]|{_LABEL}(?:\.{_LABEL})*)"
    rf"(?::(?P<port>[1-9][0-9]{{0,4}}))?(?P<path>{_PATH})",
    re.ASCII,
)
_FORM = (
    "Write it as https://host/path, with a host name or a plain IP address, in ASCII,"
    " and without user name, fragment or spaces."
)


class UnsafeUrl(ValueError):
    """The URL may not be sent to; its text says why and what would help."""


class Unresolvable(OSError):
    """The host has no address."""


@dataclass(frozen=True)
class Target:
    """A URL taken apart; the host without brackets and in lower case."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def authority(self) -> str:
        """The `Host` header's value."""
        is_default = self.port == DEFAULT_PORTS[self.scheme]
        return self._name if is_default else f"{self._name}:{self.port}"

    @property
    def _name(self) -> str:
        return f"[{self.host}]" if ":" in self.host else self.host

    @property
    def is_allowed_by_name(self) -> bool:
        """Tell whether the operator named this host: then any address will do."""
        names = {self.authority, f"{self._name}:{self.port}", f"{self._name}:*"}
        return any(name.lower() in names for name in conf().WEBHOOK_ALLOWED_HOSTS)


def check_url(url: str) -> Target:
    """Take a URL apart; raises UnsafeUrl for one that can never be sent to."""
    match = _URL.fullmatch(url)
    if match is None or len(url) > LONGEST_URL or int(match["port"] or 0) > 65_535:
        raise UnsafeUrl(f"This is no URL that webhooks can be sent to. {_FORM}")
    scheme, path = match["scheme"], match["path"]
    target = Target(
        scheme=scheme,
        host=_host(match["host"].lower()),
        port=int(match["port"] or DEFAULT_PORTS[scheme]),
        path=path if path.startswith("/") else f"/{path}",
    )
    _check_door(target)
    return target


def public_pattern() -> str:
    """Return what the URLs look like that every project may use, for schemas."""
    name = rf"(?:{_LABEL}\.)+{_TOP}"
    doors = [f"https://{name}(?::443)?"]
    if conf().WEBHOOK_ALLOW_HTTP:
        doors.append(f"http://{name}(?::80)?")
    return f"^(?:{'|'.join(doors)}){_PATH}$"


def _host(text: str) -> str:
    """Return a name or an address; raises UnsafeUrl for an address in disguise."""
    host = text.strip("[]")
    try:
        if ":" in host:
            is_plain = str(IPv6Address(host)) == host
        elif _is_address(host):
            is_plain = str(IPv4Address(host)) == host
        else:
            is_plain = (
                text == host and re.fullmatch(_TOP, _last_label(host)) is not None
            )
    except ValueError:
        is_plain = False
    if not is_plain:
        raise UnsafeUrl(f"The host '{host[:100]}' is not in its usual form. {_FORM}")
    return host


def _last_label(host: str) -> str:
    return host.rpartition(".")[2]


def _is_address(host: str) -> bool:
    return ":" in host or _last_label(host)[:1].isdigit()


def _check_door(target: Target) -> None:
    if target.scheme == "http" and not conf().WEBHOOK_ALLOW_HTTP:
        raise UnsafeUrl("Webhooks are sent by https only (WEBHOOK_ALLOW_HTTP).")
    if target.is_allowed_by_name:
        return
    if target.port != DEFAULT_PORTS[target.scheme]:
        raise UnsafeUrl(
            f"Webhooks are not sent to port {target.port} of this host"
            " (WEBHOOK_ALLOWED_HOSTS)."
        )
    is_inside = "." not in target.host and ":" not in target.host
    if is_inside or (_is_address(target.host) and not is_public(target.host)):
        raise _not_public(target.host)


def _not_public(address: str) -> UnsafeUrl:
    return UnsafeUrl(
        f"{address} is no address of the public internet (WEBHOOK_ALLOWED_HOSTS)."
    )


def resolve(target: Target) -> list[str]:
    """Return the host's addresses, each of them checked.

    Raises UnsafeUrl if a single one is not allowed, and Unresolvable.
    """
    try:
        found = socket.getaddrinfo(
            target.host, target.port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP
        )
    except (OSError, UnicodeError) as error:
        raise Unresolvable(f"the host {target.host} was not found") from error
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    if not target.is_allowed_by_name:
        for address in addresses:
            if not is_public(address):
                raise _not_public(address)
    return addresses
