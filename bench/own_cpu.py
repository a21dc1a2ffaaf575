"""G5: processor time of ours per request, on an engine that costs nothing."""

import json
import statistics
from collections.abc import Callable

from bench.clients import (
    aiohttp_client,
    echo_server,
    httpx_client,
    per_request,
)
from bench.measure import in_turn, ratio
from bench.options import Options
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
    try:
        with echo_server() as echo:
            few = bodies[:300]
            ways: list[Callable[[], float]] = [
                lambda: warm.run(lines).cpu / count,
                lambda: per_request(aiohttp_client, echo, bodies, IN_FLIGHT).both,
                lambda: per_request(httpx_client, echo, few, IN_FLIGHT).both,
            ]
            own, aio, httpx_ = in_turn(ways, options.pairs)
    finally:
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
