"""G4: what it costs to make results durable while lines run."""

from bench import warm
from bench.measure import in_turn, ratio
from bench.options import Options
from bench.report import Report
from bench.warm import MODEL, Ran, Warm
from bench.workloads import mixed_lines

OFTEN = {"WORKER_SEGMENT_LINES": 100}
# One segment, when the last line has ended.
ONCE = {
    "WORKER_SEGMENT_LINES": 10**9,
    "WORKER_SEGMENT_SECONDS": 1e6,
    "BATCH_CHUNK_LINES": 10**9,
    "BATCH_CHUNK_BYTES": 1 << 40,
}


def run(options: Options) -> Report:
    """Compare throughput with a segment every 100 lines and with one at the end."""
    report = Report("checkpoints: a segment every 100 lines / one at the end")
    paced = Warm("steps", slots=256, step_seconds=0.01)
    lines = list(mixed_lines(options.size(4_000, 1_000), model=MODEL))
    _compare(report, paced, lines, options, "engine of 10 ms steps")
    paced.stop()
    lines = list(mixed_lines(options.size(1_000, 200), model=MODEL))
    _compare(report, warm.observed(), lines, options, "vLLM, 32 slots")
    return report


def _compare(
    report: Report, engine: Warm, lines: list[bytes], options: Options, where: str
) -> None:
    def often() -> Ran:
        return engine.run(lines, **OFTEN)

    def once() -> Ran:
        return engine.run(lines, **ONCE)

    with_, without = in_turn([often, once], options.pairs)
    speeds = [len(lines) / ran.seconds for ran in with_]
    others = [len(lines) / ran.seconds for ran in without]
    extra = sum(a.cpu - b.cpu for a, b in zip(with_, without, strict=True))
    per_segment = 1000 * extra / (len(with_) * len(lines) / 100)
    report.add(
        "G4",
        f"throughput, {len(lines):,} lines, {where}",
        ratio(speeds, others),
        at_least=0.98,
        detail=f"{max(speeds):.0f} lines/s at best; {per_segment:.1f} ms CPU a segment",
    )
