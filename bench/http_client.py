"""What a request costs the sender by HTTP client: which one a fleet of endpoints gets.

All send the same bodies to an echo server on loopback, one client after the other, in
windows as one endpoint has them and as a small fleet has them.
"""

import json
import statistics
from collections.abc import Callable
from functools import partial

from bench.clients import Cost, echo_server, installed, per_request
from bench.measure import in_turn, ratio
from bench.options import Options
from bench.report import Report
from bench.workloads import chat_lines

WINDOWS = (64, 256)
# httpx takes so long that fewer requests have to do.
SLOW = {"httpx": 0.1, "httpx2": 0.1}


def run(options: Options) -> Report:
    """Compare the installed clients with aiohttp, which the engine uses."""
    report = Report("HTTP clients, processor time of the sender a request")
    count = options.size(10_000, 1_000)
    lines = chat_lines(count, model="bench")
    bodies = [json.dumps(json.loads(line)["body"]).encode() for line in lines]
    with echo_server() as echo:
        for window in WINDOWS:
            ways: list[Callable[[], Cost]] = []
            for name, client in installed().items():
                part = bodies[: int(count * SLOW.get(name, 1.0))]
                ways.append(partial(per_request, client, echo, part, window))
            found = dict(zip(installed(), in_turn(ways, options.pairs), strict=True))
            _add(report, window, found)
    return report


def _add(report: Report, window: int, found: dict[str, list[Cost]]) -> None:
    ours = [cost.client for cost in found["aiohttp"]]
    for name, costs in found.items():
        spent = [cost.client for cost in costs]
        served = 1e6 * statistics.median(cost.server for cost in costs)
        micros = 1e6 * statistics.median(spent)
        text = f"{name}, {window} in flight: µs a request; the server {served:.0f}"
        report.add("G5", text, micros)
        if name != "aiohttp":
            what = f"{name} / aiohttp, {window} in flight"
            report.add("G5", what, ratio(spent, ours))
