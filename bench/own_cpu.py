"""G5: processor time of ours per request, on an engine that costs nothing."""

import asyncio
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import aiohttp
import httpx

from bench.measure import in_turn, ratio
from bench.options import Options
from bench.processes import tree_cpu
from bench.report import Report
from bench.warm import MODEL, Warm
from bench.workloads import chat_lines

# httpx grows slower the more connections it has; this is kind to it.
IN_FLIGHT = 64


def run(options: Options) -> Report:
    """Compare with what merely sending a request over HTTP costs the sender."""
    count = options.size(20_000, 2_000)
    lines = list(chat_lines(count, model=MODEL))
    bodies = [json.dumps(json.loads(line)["body"]).encode() for line in lines[:2000]]
    warm = Warm("null")
    echo = subprocess.Popen(
        [sys.executable, "-m", "bench.echo"], stdout=subprocess.PIPE, text=True
    )
    try:
        assert echo.stdout is not None
        url = echo.stdout.readline().strip()

        def ours() -> float:
            return warm.run(lines).cpu / count

        ways: list[Callable[[], float]] = [
            ours,
            lambda: _per_request(_by_aiohttp, url, bodies, echo.pid),
            lambda: _per_request(_by_httpx, url, bodies[:300], echo.pid),
        ]
        own, aio, httpx_ = in_turn(ways, options.pairs)
    finally:
        echo.kill()
        echo.wait()
        warm.stop()
    return _report(count, own, aio, httpx_)


def _report(count: int, own: list[float], aio: list[float], h: list[float]) -> Report:
    report = Report(f"own processor time, {count:,} lines, engine that costs nothing")
    shown = [f"{1e6 * statistics.median(values):.0f} µs" for values in (own, aio, h)]
    report.add(
        "G5",
        "own CPU a request, in µs",
        1e6 * statistics.median(own),
        at_most=60,
        detail="read, order, fold, dispatch, judge, encode, fsync and commit; without"
        " PostgreSQL's own processes",
    )
    what = f"ours / aiohttp to an echo server, both sides ({shown[0]} / {shown[1]})"
    report.add("G5", what, ratio(own, aio), at_most=0.3)
    what = f"ours / the same with httpx, as peers do ({shown[0]} / {shown[2]})"
    report.add("G5", what, ratio(own, h), at_most=0.02)
    return report


Sender = Callable[[str, list[bytes]], Coroutine[Any, Any, None]]


def _per_request(send: Sender, url: str, bodies: list[bytes], server: int) -> float:
    start, serving = time.process_time(), tree_cpu(server)
    asyncio.run(send(url, bodies))
    spent = time.process_time() - start + tree_cpu(server) - serving
    return spent / len(bodies)


async def _by_aiohttp(url: str, bodies: list[bytes]) -> None:
    connector = aiohttp.TCPConnector(limit=IN_FLIGHT)
    async with aiohttp.ClientSession(connector=connector) as session:

        async def send(body: bytes) -> None:
            async with session.post(url, data=body) as response:
                await response.read()

        await _in_window(send, bodies)


async def _by_httpx(url: str, bodies: list[bytes]) -> None:
    limits = httpx.Limits(max_connections=IN_FLIGHT)
    async with httpx.AsyncClient(limits=limits, timeout=60, trust_env=False) as client:

        async def send(body: bytes) -> None:
            (await client.post(url, content=body)).read()

        await _in_window(send, bodies)


async def _in_window(
    send: Callable[[bytes], Awaitable[None]], bodies: list[bytes]
) -> None:
    left = iter(bodies)

    async def work() -> None:
        for body in left:
            await send(body)

    await asyncio.gather(*(work() for _ in range(IN_FLIGHT)))
