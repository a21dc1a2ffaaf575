"""HTTP clients, each sending bodies as fast as a window allows; and what that costs."""

import asyncio
import importlib.util
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp

from bench.processes import tree_cpu

Send = Callable[[bytes], Awaitable[object]]
# Opens a client for a URL that may have so many requests under way.
Open = Callable[[str, int], Any]


@dataclass(frozen=True)
class Echo:
    """A server of its own process that answers what it got."""

    url: str
    pid: int


@dataclass(frozen=True)
class Cost:
    """Processor seconds a request."""

    client: float
    server: float

    @property
    def both(self) -> float:
        """The two together."""
        return self.client + self.server


@contextmanager
def echo_server() -> Iterator[Echo]:
    """Run the echo server meanwhile."""
    command = [sys.executable, "-m", "bench.echo"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield Echo(process.stdout.readline().strip(), process.pid)
    finally:
        process.kill()
        process.wait()


@asynccontextmanager
async def aiohttp_client(url: str, in_flight: int) -> AsyncIterator[Send]:
    """Send by aiohttp."""
    connector = aiohttp.TCPConnector(limit=in_flight)
    async with aiohttp.ClientSession(connector=connector) as session:

        async def send(body: bytes) -> None:
            async with session.post(url, data=body) as response:
                await response.read()

        yield send


@asynccontextmanager
async def httpx_client(
    url: str, in_flight: int, module: str = "httpx"
) -> AsyncIterator[Send]:
    """Send by httpx, or by what has its interface."""
    httpx: Any = importlib.import_module(module)
    limits = httpx.Limits(max_connections=in_flight)
    async with httpx.AsyncClient(limits=limits, timeout=60, trust_env=False) as client:

        async def send(body: bytes) -> None:
            (await client.post(url, content=body)).read()

        yield send


def httpx2_client(url: str, in_flight: int) -> Any:
    """Send by httpx's successor."""
    return httpx_client(url, in_flight, "httpx2")


@asynccontextmanager
async def aiosonic_client(url: str, in_flight: int) -> AsyncIterator[Send]:
    """Send by aiosonic."""
    aiosonic: Any = importlib.import_module("aiosonic")
    pools = {":default": aiosonic.pools.PoolConfig(size=in_flight)}
    connector = aiosonic.TCPConnector(pool_configs=pools)
    async with aiosonic.HTTPClient(connector) as client:

        async def send(body: bytes) -> None:
            await (await client.post(url, data=body)).content()

        yield send


CLIENTS: dict[str, Open] = {
    "aiohttp": aiohttp_client,
    "httpx": httpx_client,
    "httpx2": httpx2_client,
    "aiosonic": aiosonic_client,
}


def installed() -> dict[str, Open]:
    """Return the clients that are there."""
    return {name: c for name, c in CLIENTS.items() if importlib.util.find_spec(name)}


def per_request(client: Open, echo: Echo, bodies: list[bytes], in_flight: int) -> Cost:
    """Send all bodies and return what one of them took."""
    start, serving = time.process_time(), tree_cpu(echo.pid)
    asyncio.run(_send_all(client, echo.url, bodies, in_flight))
    own, served = time.process_time() - start, tree_cpu(echo.pid) - serving
    return Cost(own / len(bodies), served / len(bodies))


async def _send_all(
    client: Open, url: str, bodies: list[bytes], in_flight: int
) -> None:
    left = iter(bodies)
    async with client(url, in_flight) as send:

        async def work() -> None:
            for body in left:
                await send(body)

        await asyncio.gather(*(work() for _ in range(in_flight)))
