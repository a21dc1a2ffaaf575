"""G13: eight workers on one PostgreSQL against one, with engines that only wait.

Each is a real `runworker` with all its processes. A GPU computes elsewhere; so does an
engine that waits, and the cores here are left to what is ours.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate
from statistics import mean, median

from bench.options import Options
from bench.processes import tree_cpu
from bench.report import Report
from bench.server import Server
from bench.site import Client, model_toml, stack
from bench.workloads import mixed_lines
from tests.rig.stack import PYTHON, Stack

WORKERS = 8
SETTINGS = {
    # An idle worker joins at once: here a swap costs nothing.
    "WORKER_QUANTUM_SECONDS": "1",
    # Small ones: claims are many, and the last of them end together.
    "BATCH_CHUNK_LINES": "128",
    "BATCH_MAX_REQUESTS": "1000000",
}
IDLE_SECONDS = 5.0
# Eight of this pace leave two slow cores some room: else this measures the machine.
TOKEN_SECONDS = 0.03
# The speed is taken where all are at work: not while they wake up, not at the end.
STEADY = (0.15, 0.85)


@dataclass(frozen=True)
class Ran:
    """One batch: lines a second, steady and in all; processor time a line."""

    steady: float
    whole: float
    own: float
    database: float
    transactions: float
    shares: dict[str, int]

    @property
    def spread(self) -> float:
        """Lines of the busiest worker more than of the idlest, in means."""
        values = list(self.shares.values())
        return (max(values) - min(values)) / mean(values)


def run(options: Options) -> Report:
    """Run batches of equal length in time, by one worker and by eight."""
    each, rounds = options.size(6_000, 1_500), max(1, options.pairs // 2)
    with stack(**SETTINGS) as site:
        site.load_models(model_toml("wait", slots=64, token_seconds=TOKEN_SECONDS))
        site.start_web()
        bench = _Bench(site)
        bench.start(1)
        one = [bench.measure(each) for _ in range(rounds)]
        bench.start(WORKERS)
        many = [bench.measure(WORKERS * each) for _ in range(rounds)]
    return _report(one, many, bench.idle)


class _Bench:
    """The workers, and the database that they share."""

    def __init__(self, site: Stack) -> None:
        self._site = site
        self._client = Client(site)
        self._server = Server(site.url_of(site.server_url))
        self.idle: dict[int, float] = {}
        self._pids: list[int] = []

    def start(self, count: int) -> None:
        """Have so many workers, all with the model loaded."""
        for number in range(len(self._pids), count):
            slot = f"gpu{number}"
            command = (PYTHON, "manage.py", "runworker", "--slot", slot)
            worker = self._site.launch(f"worker-{slot}", *command, "--preload", "bench")
            worker.wait_for("working", 300)
            self._pids.append(worker.pid)
        self._until(lambda: len(self._shares()) == count, "not all workers beat")
        self._run(mixed_lines(200 * count, model="bench", seed=7))
        time.sleep(3)  # they linger a while
        cpu = tree_cpu(*self._pids)
        time.sleep(IDLE_SECONDS)
        self.idle[count] = (tree_cpu(*self._pids) - cpu) / IDLE_SECONDS / count

    def measure(self, count: int) -> Ran:
        """Run a batch of so many lines."""
        before, cpu = self._shares(), tree_cpu(*self._pids)
        spent, asked = self._server.cpu(), self._server.transactions()
        batch = self._run(mixed_lines(count, model="bench", seed=count))
        own, spent = tree_cpu(*self._pids) - cpu, self._server.cpu() - spent
        asked = self._server.transactions() - asked
        done = sum(before.values()) + count
        self._until(lambda: sum(self._shares().values()) >= done, "lines are missing")
        shares = {slot: n - before[slot] for slot, n in self._shares().items()}
        steady, whole = self._speeds(batch, count)
        return Ran(steady, whole, own / count, spent / count, asked / count, shares)

    def _run(self, lines: Iterator[bytes]) -> str:
        path = self._site.folder / "in.jsonl"
        with path.open("wb") as file:
            file.writelines(lines)
        batch = self._client.submit(path)
        self._client.wait(batch, pause=1.0)
        return batch

    def _speeds(self, batch: str, count: int) -> tuple[float, float]:
        rows = self._server.rows(
            "SELECT extract(epoch FROM s.created_at - b.in_progress_at), s.line_count"
            " FROM vllm_batches_segment s"
            " JOIN vllm_batches_chunk c ON c.id = s.chunk_id"
            " JOIN vllm_batches_batchjob b ON b.id = c.batch_id WHERE b.id = %s"
            " ORDER BY s.created_at",
            batch,
        )
        return speeds([(float(at), lines) for at, lines in rows], count)

    def _shares(self) -> dict[str, int]:
        sql = "SELECT slot, requests_done FROM vllm_workers_heartbeat"
        return dict(self._server.rows(sql))

    def _until(self, is_so: Callable[[], bool], failure: str) -> None:
        ends_at = time.monotonic() + 120
        while not is_so():
            assert time.monotonic() < ends_at, failure
            time.sleep(0.5)


def speeds(commits: list[tuple[float, int]], count: int) -> tuple[float, float]:
    """Return lines a second in the steady part, and from the plan to the last one.

    `commits` are moments, in seconds since the batch began, and how many lines each of
    them made durable.
    """
    totals = list(accumulate(lines for _, lines in commits))
    first, last = (share * count for share in STEADY)
    steady = [
        (at, total)
        for (at, _), total in zip(commits, totals, strict=True)
        if first <= total <= last
    ]
    (start, had), (end, has) = steady[0], steady[-1]
    return (has - had) / (end - start), count / commits[-1][0]


def _middle(values: Iterable[float]) -> float:
    return median(list(values))


def _report(one: list[Ran], many: list[Ran], idle: dict[int, float]) -> Report:
    report = Report(f"{WORKERS} workers against one, engines that wait")
    # From the plan on, most have to be woken first: seconds, whatever the batch.
    for name, what, least in (
        ("steady", "while all work", 7.5),
        ("whole", "from plan to the end", None),
    ):
        single = _middle(getattr(ran, name) for ran in one)
        eight = _middle(getattr(ran, name) for ran in many)
        report.add(
            "G13",
            f"throughput of {WORKERS} / of one, {what}",
            eight / single,
            at_least=least,
            detail=f"{eight:.0f} lines/s against {single:.0f}",
        )
    single, eight = (_middle(ran.own for ran in runs) for runs in (one, many))
    report.add(
        "G13",
        "own CPU a request, eight / one",
        eight / single,
        at_least=0.9,
        at_most=1.1,
        detail=f"{1e6 * eight:.0f} µs against {1e6 * single:.0f} µs, of which a worker"
        f" with nothing to do takes {100 * idle[WORKERS]:.1f} and {100 * idle[1]:.1f} %"
        " of a core all the time",
    )
    single, eight = (_middle(ran.database for ran in runs) for runs in (one, many))
    asked = [_middle(ran.transactions for ran in runs) for runs in (one, many)]
    report.add(
        "G13",
        "PostgreSQL's CPU a request, eight / one",
        eight / single,
        detail=f"{1e6 * eight:.0f} µs against {1e6 * single:.0f} µs; {asked[1]:.2f}"
        f" transactions a line against {asked[0]:.2f}",
    )
    fairest = max(many, key=lambda ran: ran.spread)
    report.add(
        "G13",
        "lines of the busiest worker above the idlest, in means",
        fairest.spread,
        at_most=0.1,
        detail=", ".join(f"{s} {n:,}" for s, n in sorted(fairest.shares.items())),
    )
    return report
