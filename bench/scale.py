"""G7 and G12: memory and processor time at 1,000, 50,000 and a million lines."""

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.options import Options
from bench.processes import peak_memory, tree_cpu
from bench.report import Report
from bench.site import Client, model_toml, stack
from bench.workloads import line
from tests.rig.stack import Stack

MIB = 1 << 20
IDLE_SECONDS = 4.0
LIMITS = {
    "BATCH_MAX_REQUESTS": "2000000",
    "BATCH_MAX_BYTES": str(1 << 40),
    "FILE_MAX_BYTES": str(1 << 40),
}


@dataclass(frozen=True)
class Size:
    """What a batch of some size took."""

    lines: int
    seconds: float
    cpu: float
    web_peak: int
    worker_peak: int


def run(options: Options) -> Report:
    """Run batches of growing size through the whole product, downloads included."""
    counts = [1_000, 10_000, 50_000] if options.is_quick else [1_000, 50_000, 1_000_000]
    with stack(**LIMITS) as site:
        site.load_models(model_toml("null"))
        site.start_web()
        site.start_worker()
        client = Client(site)
        _go_through(client, _write(site.folder / "first.jsonl", 100))
        idle = _idle_rate(site)
        sizes = [_measure(site, client, count, idle) for count in counts]
    return _report(sizes, idle)


def _pids(site: Stack) -> tuple[int, int]:
    return site.processes["web"].pid, site.processes["worker"].pid


def _idle_rate(site: Stack) -> float:
    """Return what the processes use while nothing happens, in seconds a second."""
    time.sleep(2)  # the worker lingers a while
    start, cpu = time.perf_counter(), tree_cpu(*_pids(site))
    time.sleep(IDLE_SECONDS)
    return (tree_cpu(*_pids(site)) - cpu) / (time.perf_counter() - start)


def _measure(site: Stack, client: Client, count: int, idle: float) -> Size:
    path = _write(site.folder / f"{count}.jsonl", count)
    web, worker = _pids(site)
    start, cpu = time.perf_counter(), tree_cpu(web, worker)
    _go_through(client, path)
    seconds = time.perf_counter() - start
    cpu = tree_cpu(web, worker) - cpu - idle * seconds
    path.unlink()
    return Size(count, seconds, cpu, peak_memory(web), peak_memory(worker))


def _go_through(client: Client, path: Path) -> None:
    batch = client.wait(client.submit(path), pause=0.2)
    assert client.download(batch["output_file_id"]) > path.stat().st_size


def _write(path: Path, count: int) -> Path:
    with path.open("wb") as file:
        file.writelines(_lines(count))
    return path


def _lines(count: int) -> Iterator[bytes]:
    """Yield short lines that each want an answer of their own that is kept to fold."""
    for number in range(count):
        text = f"What is {number} and {number * 7919 % 10_007}?"
        yield line(f"request-{number}", text, model="bench", temperature=0)


def _report(sizes: list[Size], idle: float) -> Report:
    small, middle, large = sizes
    report = Report(f"{small.lines:,}, {middle.lines:,} and {large.lines:,} lines")
    for name in ("web_peak", "worker_peak"):
        first, last = getattr(small, name) / MIB, getattr(large, name) / MIB
        what = f"{name.removesuffix('_peak')}: MiB more at {large.lines:,} lines"
        detail = f"largest process: {first:.0f} MiB, then {last:.0f} MiB"
        report.add("G7", what, last - first, at_most=64, detail=detail)
    each = ", ".join(f"{1e6 * s.cpu / s.lines:.0f} µs at {s.lines:,}" for s in sizes)
    report.add(
        "G12",
        f"log-log slope of CPU, {middle.lines:,} to {large.lines:,} lines",
        _slope(middle, large),
        at_least=0.95,
        at_most=1.03,
        detail=f"a line, from upload to download: {each}; idle load"
        f" {100 * idle:.1f} % of a core taken off",
    )
    what = f"the same, {small.lines:,} to {large.lines:,} lines"
    report.add("G12", what, _slope(small, large), at_least=0.95, at_most=1.03)
    speed = large.lines / large.seconds
    report.add("G12", f"lines/s end to end at {large.lines:,}", speed)
    return report


def _slope(small: Size, large: Size) -> float:
    """Return the exponent with which the processor time grows with the lines."""
    return math.log(large.cpu / small.cpu) / math.log(large.lines / small.lines)
