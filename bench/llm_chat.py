"""G2: the product's own worker loop against `LLM.chat` on all lines at once."""

import os
import tempfile
from pathlib import Path
from statistics import median

from bench import models, warm
from bench.measure import Spent, cpus, in_turn, ratio, walls
from bench.options import Options
from bench.reference import Reference
from bench.report import Report
from bench.warm import MODEL
from bench.workloads import mixed_lines, sources


def run(options: Options) -> Report:
    """Compare throughput; both have the same model and the same arguments."""
    lines = list(mixed_lines(options.size(2_000, 300), model=MODEL))
    engine = warm.vllm(models.tiny(), **models.ENGINE_ARGS)
    reference = Reference("llm", models.tiny())
    try:
        with tempfile.TemporaryDirectory(dir=os.environ["DATA_DIR"]) as folder:
            path = Path(folder) / "lines.jsonl"
            path.write_bytes(b"".join(lines))

            def ours() -> Spent:
                ran = engine.run(lines)
                return Spent(ran.seconds, ran.cpu)

            def theirs() -> Spent:
                return reference.run(path)

            own, other = in_turn([ours, theirs], options.pairs)
    finally:
        reference.close()
    return _report(own, other, len(lines))


def _report(own: list[Spent], other: list[Spent], count: int) -> Report:
    report = Report(f"LLM.chat, {count:,} lines at once, {sources()}")
    speeds = [count / median(walls(each)) for each in (own, other)]
    report.add(
        "G2",
        "throughput / LLM.chat's",
        ratio(walls(other), walls(own)),
        at_least=0.97,
        detail=f"{speeds[0]:.0f} against {speeds[1]:.0f} lines/s in the median",
    )
    each = [1000 * median(cpus(spent)) / count for spent in (own, other)]
    report.add(
        "G2",
        "CPU of all processes / LLM.chat's",
        ratio(cpus(own), cpus(other)),
        detail=f"{each[0]:.2f} against {each[1]:.2f} ms a line",
    )
    return report
