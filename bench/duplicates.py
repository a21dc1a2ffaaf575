"""G9: a file in which half of the lines are copies, against the file without them."""

import random

from bench import warm
from bench.engines import Counted
from bench.measure import in_turn, ratio
from bench.options import Options
from bench.report import Report
from bench.warm import MODEL, Ran
from bench.workloads import mixed_lines


def run(options: Options) -> Report:
    """Compare walls, and count what reaches the engine."""
    unique = list(mixed_lines(options.size(500, 200), model=MODEL))
    copies = [
        line.replace(b'"custom_id": "request-', b'"custom_id": "copy-')
        for line in unique
    ]
    doubled = [*unique, *copies]
    random.Random(5).shuffle(doubled)
    engine = warm.observed()
    extra: list[int] = []

    def with_copies() -> Ran:
        with Counted(engine.engine) as counted:
            ran = engine.run(doubled)
        extra.append(counted.posts)
        return ran

    ours, reference = in_turn([with_copies, lambda: engine.run(unique)], options.pairs)
    report = Report(f"duplicates: {len(doubled):,} lines, half of them copies")
    seconds = [ran.seconds for ran in ours]
    report.add(
        "G9",
        "time / the file without copies",
        ratio(seconds, [ran.seconds for ran in reference]),
        at_most=1.05,
        detail=f"{min(seconds):.2f} s at best",
    )
    what = f"engine requests / unique lines ({max(extra)} / {len(unique)})"
    report.add("G9", what, max(extra) / len(unique), at_most=1.0)
    return report
