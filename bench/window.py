"""G14: the smallest window that keeps the engine full, against the automatic one."""

import statistics
from collections.abc import Callable

from bench import warm
from bench.measure import in_turn
from bench.options import Options
from bench.report import Report
from bench.warm import MODEL, Warm
from bench.workloads import mixed_lines

# In parts of the engine's concurrency; the product takes twice that.
FACTORS = (0.5, 1.0, 1.5, 2.0, 3.0)
AUTOMATIC = 2.0
ENOUGH = 0.99


def run(options: Options) -> Report:
    """Sweep the window."""
    report = Report("window sweep")
    rounds = max(2, options.pairs - 2)
    steps = Warm("steps", slots=64, step_seconds=0.005)
    lines = list(mixed_lines(options.size(1_000, 600), model=MODEL))
    _sweep(report, steps, lines, rounds, "engine of 5 ms steps, 64 slots")
    steps.stop()
    lines = list(mixed_lines(options.size(1_000, 300), model=MODEL))
    _sweep(report, warm.observed(), lines, rounds, "vLLM, 32 slots")
    return report


def _sweep(
    report: Report, engine: Warm, lines: list[bytes], rounds: int, where: str
) -> None:
    def with_window(factor: float) -> Callable[[], float]:
        window = int(factor * engine.engine.concurrency)
        return lambda: len(lines) / engine.run(lines, WORKER_WINDOW=window).seconds

    found = in_turn([with_window(f) for f in FACTORS], rounds)
    speeds = dict(zip(FACTORS, map(statistics.median, found), strict=True))
    best = max(speeds.values())
    smallest = min(f for f, speed in speeds.items() if speed >= ENOUGH * best)
    shown = ", ".join(f"{f:g}: {speed / best:.3f}" for f, speed in speeds.items())
    report.add(
        "G14",
        f"automatic / smallest window with 99 % of the best, {where}",
        AUTOMATIC / smallest,
        at_most=1.5,
        at_least=1 / 1.5,
        detail=f"window in concurrencies: share of the best ({shown})",
    )
    report.add("G14", f"speed of the automatic one / best, {where}", speeds[2.0] / best)
