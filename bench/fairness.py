"""G17: ten lines behind fifty thousand of the same model, against ten lines alone."""

import time
from statistics import median

from bench.measure import ratio
from bench.options import Options
from bench.report import Report
from bench.site import Client, model_toml, stack
from bench.workloads import mixed_lines


def run(options: Options) -> Report:
    """Compare the small job's time from upload to completed."""
    rounds = max(2, options.pairs - 2)
    alone: list[float] = []
    behind: list[float] = []
    with stack() as site:
        site.load_models(model_toml("steps", slots=64, step_seconds=0.01))
        site.start_web()
        site.start_worker()
        client = Client(site)
        small, large = site.folder / "small.jsonl", site.folder / "large.jsonl"
        small.write_bytes(b"".join(mixed_lines(10, model="bench")))
        count = options.size(50_000, 5_000)
        large.write_bytes(b"".join(mixed_lines(count, model="bench", seed=9)))

        def ten_lines() -> float:
            start = time.perf_counter()
            client.wait(client.submit(small), pause=0.02)
            return time.perf_counter() - start

        ten_lines()
        for _ in range(rounds):
            alone.append(ten_lines())
            batch = client.submit(large)
            while client.batch(batch)["request_counts"]["completed"] < 500:
                time.sleep(0.1)
            behind.append(ten_lines())
            client.cancel(batch)
            client.wait(batch, ("cancelled",))
    report = Report(f"fairness: 10 lines behind {count:,}")
    report.add(
        "G17",
        "time behind the large job / alone",
        ratio(behind, alone),
        at_most=3,
        detail=f"{median(behind):.2f} s against {median(alone):.2f} s",
    )
    return report
