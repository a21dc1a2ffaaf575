"""Slow clients beside healthy ones, whose answers must not wait (T30)."""

import asyncio
import random
import socket
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass

from tests.load.calls import Caller, Calls
from tests.load.clients import Pace, Reader, work
from tests.load.figures import Figure, faults
from tests.load.topology import Topology
from tests.rig.history import History

HEALTHY = 50
PAUSE = 1.0
DOWNLOAD_BYTES = 20_000_000
FORM = "Content-Type: multipart/form-data; boundary=x\r\nContent-Length: 99999\r\n"


@dataclass
class Slowly:
    """Opens connections from an address and uses them as slowly as it can."""

    port: int
    address: str
    key: str
    ends_at: float
    requests: int = 0

    @property
    def is_over(self) -> bool:
        """Tell whether the time is up."""
        return time.monotonic() >= self.ends_at

    async def go_on(self, use: "Use") -> None:
        """Open a connection again whenever nginx has closed it."""
        while not self.is_over:
            try:
                await asyncio.wait_for(self._once(use), self.ends_at - time.monotonic())
            except OSError:  # nginx has had enough; TimeoutError is one too
                await asyncio.sleep(0.1)

    async def _once(self, use: "Use") -> None:
        loop = asyncio.get_running_loop()
        with socket.socket() as sock:
            # What a slow reader does not take has to stay at nginx.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sock.setblocking(False)
            sock.bind((self.address, 0))
            await loop.sock_connect(sock, ("127.0.0.1", self.port))
            self.requests += 1
            await use(self, sock)

    def head(self, request: str) -> bytes:
        """Return the start of a request, with its key."""
        key = f"Authorization: Bearer {self.key}"
        return f"{request} HTTP/1.1\r\nHost: localhost\r\n{key}\r\n".encode()


Use = Callable[[Slowly, socket.socket], Awaitable[None]]


async def send_header_slowly(client: Slowly, sock: socket.socket) -> None:
    """Send a request whose header never ends."""
    await _drip(sock, client.head("GET /v1/files"), b"X-Slow: x\r\n", 3)


async def send_body_slowly(client: Slowly, sock: socket.socket) -> None:
    """Send an upload a few bytes at a time."""
    start = client.head("POST /v1/files") + f"{FORM}\r\n--x\r\n".encode()
    await _drip(sock, start, b"x" * 10, 3)


async def _drip(sock: socket.socket, start: bytes, drop: bytes, every: float) -> None:
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(sock, start)
    while True:
        await asyncio.sleep(every)
        await loop.sock_sendall(sock, drop)


def read_slowly(file: str) -> Use:
    """Return a use of connections that downloads a kilobyte a second."""

    async def use(client: Slowly, sock: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        request = client.head(f"GET /v1/files/{file}/content") + b"\r\n"
        await loop.sock_sendall(sock, request)
        while await loop.sock_recv(sock, 1024):
            await asyncio.sleep(1)

    return use


@dataclass(frozen=True)
class Slow:
    """How many slow clients of each kind, for how long."""

    headers: int
    bodies: int
    readers: int
    seconds: int

    async def run(self, topology: Topology) -> list[Figure]:
        """Measure healthy clients alone, then beside the slow ones."""
        keys = topology.keys(HEALTHY + 1)
        alone, beside = Calls(), Calls()
        await self._healthy(topology, keys[1:], alone, self.seconds / 3)
        slow = await self._begin(topology, keys[0])
        await self._healthy(topology, keys[1:], beside, self.seconds)
        requests = [client.requests for client, _ in slow]
        await asyncio.gather(*(task for _, task in slow))
        print("unwanted answers beside slow clients:", faults(beside))
        return [
            Figure("slow connections opened", sum(requests), None),
            Figure("slow clients that had none", requests.count(0), 0),
            Figure("healthy requests beside them", len(beside.all), None),
            Figure("… not answered with 200", beside.faults().total(), 0),
            Figure("healthy p95, alone", alone.percentile(95), None, "s"),
            Figure("healthy p95, beside them", beside.percentile(95), 1, "s"),
        ]

    async def _begin(
        self, topology: Topology, key: str
    ) -> list[tuple[Slowly, asyncio.Task[None]]]:
        (address,) = topology.addresses(1)
        async with Caller(topology.base_url, address, key, Calls()) as caller:
            file = await caller.upload(b"x" * DOWNLOAD_BYTES, "user_data")
        assert file, "the file for slow readers was refused"
        uses: list[Use] = [send_header_slowly] * self.headers
        uses += [send_body_slowly] * self.bodies
        uses += [read_slowly(file)] * self.readers
        ends_at = time.monotonic() + self.seconds
        found = []
        for address, use in zip(topology.addresses(len(uses)), uses, strict=True):
            client = Slowly(topology.nginx.port, address, key, ends_at)
            found.append((client, asyncio.create_task(client.go_on(use))))
        return found

    async def _healthy(
        self, topology: Topology, keys: list[str], calls: Calls, seconds: float
    ) -> None:
        history = History(topology.folder / "healthy")
        pace = Pace(time.monotonic() + seconds, PAUSE)
        async with AsyncExitStack() as held:
            readers = [
                Reader(
                    await held.enter_async_context(
                        Caller(topology.base_url, address, key, calls)
                    ),
                    history,
                )
                for address, key in zip(topology.addresses(HEALTHY), keys, strict=True)
            ]
            starts = [random.uniform(0, PAUSE) for _ in readers]
            steps = [reader.step for reader in readers]
            await asyncio.gather(*map(work, [pace] * HEALTHY, starts, steps))
