"""kill -9 at random, over all our processes, while batches run (T01)."""

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from tests.rig.history import Recorder, lines
from tests.rig.rig import Rig, scale
from tests.rig.tree import ROLES, kill
from workers.supervising import family

pytestmark = [pytest.mark.faults, pytest.mark.timeout(1500)]

KILLS = scale(8, 200)
BATCHES = scale(2, 10)
LINES = scale(800, 12_000)
# Small steps, so that little is in flight: at most 400 lines a second.
STEPS = {"WORKER_WINDOW": "4", "WORKER_SEGMENT_SECONDS": "0.02"}
SLEEP = 0.01
LARGEST_REPEATED_SHARE = 0.02
# What may be in flight or not yet in a segment when a process dies.
LINES_A_KILL = 4 + 64
SECONDS_WITHOUT_PROGRESS = 75.0


class Chaos:
    """Kills one random process after another."""

    def __init__(self, rig: Rig, rng: random.Random) -> None:
        self._rig = rig
        self._rng = rng
        self.killed: Counter[str] = Counter()
        self._others: dict[str, Callable[[], None]] = {
            "runworker": rig.restart_worker,
            "engine": rig.restart_engine,
            "web": rig.restart_web,
            "web worker": self._kill_web_worker,
        }
        self._targets = [
            *(f"{cluster} {role}" for cluster in ("gpu", "ops") for role in ROLES),
            *self._others,
        ]

    def strike(self) -> None:
        """Kill the next victim."""
        target = self._rng.choice(self._targets)
        self.killed[target] += 1
        if target in self._others:
            self._others[target]()
            return
        cluster, role = target.split()
        victims = self._rig.tree.of(cluster, role)
        if victims:
            kill(self._rng.choice(victims))
        else:
            self.killed[f"{target} was away"] += 1

    def _kill_web_worker(self) -> None:
        web = self._rig.stack.processes["web"]
        if workers := family.descendants(web.pid):
            kill(self._rng.choice(workers))


@pytest.fixture
def small_steps(rig: Rig) -> Iterator[None]:
    """Let the worker make small steps for one test."""
    usual = dict(rig.stack.environment)
    rig.stack.environment.update(STEPS)
    rig.restart_worker()
    yield
    rig.stack.environment = usual
    rig.restart_worker()


@pytest.mark.usefixtures("small_steps")
def test_random_kills_lose_and_double_nothing(
    rig: Rig,
    client: Recorder,
    rng: random.Random,
    capsys: pytest.CaptureFixture[str],
):
    chaos = Chaos(rig, rng)
    before, started = rig.calls(), time.monotonic()
    total = BATCHES * LINES
    batches = [
        client.submit(lines(f"c{number}", LINES, f"SLEEP {SLEEP}"))
        for number in range(BATCHES)
    ]
    done = 0
    for number in range(KILLS):
        wanted = total * number // KILLS
        done = wait_for_progress(client, batches, max(done, wanted))
        chaos.strike()
    for batch in batches:
        client.finish(batch, 120)

    repeated = rig.calls() - before - total
    share = f"{repeated} of {total} lines ran again ({repeated / total:.2%})"
    seconds = time.monotonic() - started
    client.must_be_good()
    with capsys.disabled():
        print(f"\n{KILLS} kills: {dict(chaos.killed)}")
        print(f"0 lost, 0 doubled, 0 torn; {share}; {seconds:.0f} s")
    assert rig.two_engines() == []
    assert repeated <= KILLS * LINES_A_KILL, share
    if scale(0, 1):
        assert repeated / total <= LARGEST_REPEATED_SHARE, share


def wait_for_progress(client: Recorder, batches: list[str], wanted: int) -> int:
    """Wait until so many lines are durable; it may stand still only so long."""
    last, since = -1, time.monotonic()
    while True:
        counts = [
            client.insist(lambda batch=batch: client.poll(batch))["request_counts"]  # type: ignore[misc]
            for batch in batches
        ]
        done: int = sum(count["completed"] + count["failed"] for count in counts)
        if done >= wanted:
            return done
        if done != last:
            last, since = done, time.monotonic()
        stood = time.monotonic() - since
        assert stood < SECONDS_WITHOUT_PROGRESS, f"stands at {done}, wanted {wanted}"
        time.sleep(0.2)
