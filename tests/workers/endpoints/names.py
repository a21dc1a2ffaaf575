"""A name server on loopback whose answers a test changes while it runs."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset


class NameServer(asyncio.DatagramProtocol):
    """Answers by `records`: (name, type) to texts; names without any do not exist."""

    def __init__(self) -> None:
        self.records: dict[tuple[str, str], list[str]] = {}
        self.is_away = False
        self.asked = 0
        self.address = ""
        self._transport: Any = None

    def connection_made(self, transport: Any) -> None:
        """Note where it listens."""
        self._transport = transport
        host, port = transport.get_extra_info("sockname")
        self.address = f"{host}:{port}"

    def datagram_received(self, data: bytes, address: Any) -> None:
        """Answer a question, unless it plays dead."""
        self.asked += 1
        if self.is_away:
            return
        query = dns.message.from_wire(data)
        question = query.question[0]
        name, kind = question.name.to_text(), dns.rdatatype.to_text(question.rdtype)
        response = dns.message.make_response(query)
        response.flags |= dns.flags.AA | dns.flags.RA
        texts = self.records.get((name, kind), [])
        if texts:
            answer = dns.rrset.from_text(question.name, 0, "IN", kind, *texts)
            response.answer.append(answer)
        elif not any(
            known == name and self.records[known, k] for known, k in self.records
        ):
            response.set_rcode(dns.rcode.NXDOMAIN)
        self._transport.sendto(response.to_wire(), address)


@asynccontextmanager
async def name_server() -> AsyncIterator[NameServer]:
    """Serve names meanwhile."""
    loop = asyncio.get_running_loop()
    transport, server = await loop.create_datagram_endpoint(
        NameServer, local_addr=("127.0.0.1", 0)
    )
    try:
        yield server
    finally:
        transport.close()
