"""G11: how many lines run twice when the worker is killed with SIGKILL."""

import os
import random
import signal
import time
from bisect import bisect_right
from pathlib import Path
from statistics import mean

from bench.options import Options
from bench.report import Report
from bench.site import Client, model_toml, stack
from bench.workloads import mixed_lines
from tests.rig.tree import Tree

SLOTS = 64
WINDOW = 2 * SLOTS
# A cluster that lived as long as this is started again without a pause.
APART_SECONDS = 10.5


class Posts:
    """What the engine was asked, from its log."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> list[str]:
        """Return the lines in the order in which they were sent."""
        return self.path.read_text().split()

    def repeated(self, kills: list[int]) -> list[int]:
        """Return how many lines each kill cost; `kills` are lengths of the log."""
        costs = [0] * len(kills)
        last: dict[str, int] = {}
        for place, name in enumerate(self.read()):
            if name in last:
                costs[bisect_right(kills, last[name])] += 1
            last[name] = place
        return costs

    def wait_for_more(self, seconds: float = 60) -> float:
        """Wait until the engine is asked again; return how long that took."""
        start, size = time.monotonic(), self.path.stat().st_size
        while self.path.stat().st_size == size:
            assert time.monotonic() < start + seconds, "no worker came back"
            time.sleep(0.02)
        return time.monotonic() - start


def run(options: Options) -> Report:
    """Kill the process that runs the lines, again and again, and count."""
    kills = options.size(10, 2)
    generator = random.Random(6)
    marks: list[int] = []
    breaks: list[float] = []
    with stack(WORKER_LEASE_SECONDS="4") as site:
        posts = Posts(site.folder / "posts.log")
        log = str(posts.path)
        toml = model_toml("steps", slots=SLOTS, step_seconds=0.01, log=log)
        site.load_models(toml)
        site.start_web()
        tree = Tree(site.start_worker().pid)
        client, path = Client(site), site.folder / "in.jsonl"
        count = options.size(20_000, 4_000)
        path.write_bytes(b"".join(mixed_lines(count, model="bench")))
        batch = client.submit(path)
        while not posts.path.exists():
            time.sleep(0.05)
        for _ in range(kills):
            time.sleep(APART_SECONDS + generator.random())
            if client.batch(batch)["status"] != "in_progress":
                break
            os.kill(tree.one("gpu", "worker").pid, signal.SIGKILL)
            marks.append(len(posts.read()))
            breaks.append(posts.wait_for_more())
        end = client.wait(batch)
        costs, sent = posts.repeated(marks), len(set(posts.read()))
    assert end["request_counts"]["completed"] == sent == count, end
    return _report(costs, breaks)


def _report(costs: list[int], breaks: list[float]) -> Report:
    report = Report(f"kill -9 of the worker, {len(costs)} times; window {WINDOW}")
    report.add(
        "G11",
        "lines run again per kill, in the mean, in windows",
        mean(costs) / WINDOW,
        at_most=1.0,
        detail=f"lines run again after each kill: {costs}; none lost, none twice in the"
        " output",
    )
    report.add("G11", "at most, in windows", max(costs) / WINDOW, at_most=1.1)
    report.add("G11", "seconds from the kill to the next request", mean(breaks))
    return report
