"""Which servers stand behind a name just now. Names are asked for again and again."""

import asyncio
import ipaddress
import socket
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from workers.engines.base import EngineStartFailed
from workers.engines.fleet.arguments import DNS, SRV, Source
from workers.engines.fleet.endpoint import Target

LOOK_UP_SECONDS = 5.0
_PORTS = {"http": 80, "https": 443}
# What the machine's resolver says of a name that has no address (now).
_NO_ADDRESS = {socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)}


class LookUpFailed(Exception):
    """No name server answered: nothing is known, so nothing changes."""


class Discovery:
    """Turns sources into targets. A plain URL is one; a marked name is many or none."""

    def __init__(self, nameserver: str = "") -> None:
        self._nameserver = nameserver
        self._resolver: Any = None

    def prepare(self, sources: list[Source]) -> None:
        """Load the resolver, if one is needed; raises EngineStartFailed."""
        if not (self._nameserver or any(source.kind == SRV for source in sources)):
            return
        try:
            import dns.asyncresolver
        except ImportError as error:
            raise EngineStartFailed(
                "dnssrv+ and nameserver need dnspython:"
                " pip install -r requirements-dns.txt",
                is_lasting=True,
            ) from error
        self._resolver = dns.asyncresolver.Resolver(configure=not self._nameserver)
        self._resolver.lifetime = LOOK_UP_SECONDS
        self._resolver.cache = None
        if self._nameserver:
            self._resolver.nameservers, self._resolver.port = _split(self._nameserver)

    async def targets(self, source: Source) -> list[Target]:
        """Return the servers of a source; raises LookUpFailed."""
        if not source.kind:
            return [Target(source.base_url, "", source.authorization)]
        parts = urlsplit(source.base_url)
        name = parts.hostname or ""
        if source.kind == DNS:
            places = [(name, parts.port or _PORTS[parts.scheme])]
        else:
            places = await self._servers(name)
        found = [
            Target(
                urlunsplit(parts._replace(netloc=_join(address, port))),
                parts.netloc if source.kind == DNS else _join(host, port),
                source.authorization,
            )
            for host, port in places
            for address in await self._addresses(host)
        ]
        return sorted(found, key=lambda target: target.base_url)

    async def _addresses(self, name: str) -> list[str]:
        """Return the A and AAAA addresses of a name; none if it has none."""
        if self._resolver is not None:
            return await self._ask(name)
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(LOOK_UP_SECONDS):
                infos = await loop.getaddrinfo(name, None, type=socket.SOCK_STREAM)
        except socket.gaierror as error:
            if error.errno in _NO_ADDRESS:
                return []
            raise LookUpFailed(f"{name}: {error.strerror}") from error
        except (OSError, TimeoutError, UnicodeError) as error:
            raise LookUpFailed(f"{name}: {error}") from error
        return sorted({str(info[4][0]) for info in infos})

    async def _ask(self, name: str) -> list[str]:
        from dns.exception import DNSException
        from dns.resolver import NXDOMAIN, NoAnswer

        try:
            answers = await self._resolver.resolve_name(name)
        except (NXDOMAIN, NoAnswer):
            return []
        except DNSException as error:
            raise LookUpFailed(f"{name}: {error}") from error
        return sorted(set(answers.addresses()))

    async def _servers(self, name: str) -> list[tuple[str, int]]:
        """Return the SRV records of the best priority; weights are not used."""
        from dns.exception import DNSException
        from dns.resolver import NXDOMAIN, NoAnswer

        try:
            answer = await self._resolver.resolve(name, "SRV")
        except (NXDOMAIN, NoAnswer):
            return []
        except DNSException as error:
            raise LookUpFailed(f"{name}: {error}") from error
        best = min(record.priority for record in answer)
        return [
            (record.target.to_text(omit_final_dot=True), record.port)
            for record in answer
            if record.priority == best
        ]


def _join(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _split(nameserver: str) -> tuple[list[str], int]:
    """Read `address:port`; raises EngineStartFailed."""
    parts = urlsplit(f"//{nameserver}")
    try:
        address = str(ipaddress.ip_address(parts.hostname or ""))
        return [address], parts.port or 53
    except ValueError:
        raise EngineStartFailed(
            f"nameserver is '{nameserver}': write an address and a port, such as"
            " 10.0.0.2:53.",
            is_lasting=True,
        ) from None
