"""Nodes and replicas that die in mid-batch: no line is lost, doubled or harmed."""

import asyncio
import os
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from batches.models import FailedRequest
from tests.factories import line, make_running_batch
from tests.workers.ray.nodes import Nodes
from tests.workers.ray.telling import SECONDS, count, ray_engine, told
from tests.workers.running.test_healing import crashed, good
from tests.workers.runs import end, records, run, union
from workers.engines.base import EngineDead
from workers.running import feeding
from workers.running import runner as runner_module

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, configure: Any) -> None:
    monkeypatch.setattr(feeding, "LINGER_SECONDS", 0.0)
    monkeypatch.setattr(feeding, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(runner_module, "WATCH_SECONDS", 0.05)
    configure(WORKER_SEGMENT_SECONDS=0.05)


def slow(count: int) -> list[dict[str, Any]]:
    """Return lines that leave time to disturb them, and never end all at once."""
    return [
        line(f"l{n}", f"SLEEP {0.3 + n % 7 / 10:.1f} answer {n}") for n in range(count)
    ]


class Meanwhile:
    """Does something in a thread once the replicas have answered enough."""

    def __init__(self, folder: Path, answers: int, work: Callable[[], None]) -> None:
        self._folder, self._answers, self._work = folder, answers, work
        self._pool = ThreadPoolExecutor(1)

    def _run(self) -> None:
        ends_at = time.monotonic() + SECONDS
        while sum(count(self._folder, "answered").values()) < self._answers:
            assert time.monotonic() < ends_at, "too few answers"
            time.sleep(0.02)
        self._work()

    def __enter__(self) -> "Meanwhile":
        self._done = self._pool.submit(self._run)
        return self

    def __exit__(self, *error: object) -> None:
        with self._pool:
            self._done.result()


def busiest(folder: Path) -> int:
    """Return the pid of the replica that has most lines in hand."""
    got, answered = count(folder, "got"), count(folder, "answered")
    return max(got, key=lambda pid: got[pid] - answered.get(pid, 0))


def bodies(folder: Path, event: str, *pids: int) -> set[str]:
    """Return the bodies that an event happened to in these replicas."""
    return {
        text.removeprefix(f"{event} ")
        for pid in pids
        for text in told(folder)[pid]
        if text.startswith(f"{event} ")
    }


def test_a_node_killed_in_mid_batch_costs_no_line(nodes: Nodes, tmp_path: Path):
    items = slow(400)
    batch = make_running_batch(*items)
    engine = ray_engine(tmp_path, min_replicas=2, max_replicas=2)
    victims: list[int] = []

    def kill() -> None:
        victims.append(busiest(tmp_path))
        nodes.kill_node_of(victims[0])

    with Meanwhile(tmp_path, 60, kill):
        run(engine)

    assert end(batch).status == "completed"
    assert (batch.completed, batch.failed) == (400, 0)
    assert union(batch) == sorted(item["custom_id"] for item in items)
    found = records(batch.output_file_id)
    for number in range(400):
        message = found[f"l{number}"]["response"]["body"]["choices"][0]["message"]
        assert message["content"] == f"answer {number}"
    # It had lines in hand, which another replica got too.
    lost = bodies(tmp_path, "got", *victims) - bodies(tmp_path, "answered", *victims)
    others = set(told(tmp_path)) - set(victims)
    assert lost and lost <= bodies(tmp_path, "answered", *others)


def test_the_only_replica_is_replaced_when_it_is_killed(nodes: Nodes, tmp_path: Path):
    batch = make_running_batch(*slow(150))
    engine = ray_engine(tmp_path, max_replicas=1)

    def kill() -> None:
        os.kill(busiest(tmp_path), signal.SIGKILL)

    with Meanwhile(tmp_path, 30, kill):
        run(engine)

    assert end(batch).status == "completed" and batch.completed == 150
    assert len(told(tmp_path)) == 2


def test_a_replica_that_hangs_as_a_whole_is_replaced(
    nodes: Nodes, tmp_path: Path, configure: Any
):
    configure(ENGINE_STALL_SECONDS=2)
    batch = make_running_batch(*slow(150))
    stopped: list[int] = []

    def stop() -> None:
        stopped.append(busiest(tmp_path))
        os.kill(stopped[0], signal.SIGSTOP)

    with Meanwhile(tmp_path, 30, stop):
        run(ray_engine(tmp_path, max_replicas=1))

    assert end(batch).status == "completed" and batch.completed == 150
    assert len(told(tmp_path)) == 2


def test_lines_that_kill_replicas_end_as_poison_and_harm_no_other(
    nodes: Nodes, configure: Any
):
    configure(ENGINE_STALL_SECONDS=2)
    items = good(60)
    items[11], items[40] = line("dies", "DIE"), line("hangs", "HANG")
    batch = make_running_batch(*items)

    run(ray_engine(min_replicas=2, max_replicas=2))

    assert end(batch).status == "completed"
    assert crashed(batch) == ["dies", "hangs"]
    assert (batch.completed, batch.failed) == (58, 2)
    assert {letter.cause for letter in FailedRequest.objects.all()} == {"engine_crash"}


def test_replicas_that_die_of_anything_are_no_lines_fault(nodes: Nodes):
    batch = make_running_batch(*good(5))
    engine = ray_engine(engine="broken", max_replicas=1)

    with pytest.raises(EngineDead, match="die of any request"):
        run(engine)

    batch.refresh_from_db()
    assert (batch.status, batch.failed) == ("in_progress", 0)


def test_cancelling_a_batch_aborts_its_lines(nodes: Nodes, tmp_path: Path):
    from batches.actions import cancel
    from tests.workers.runs import in_thread, make_runner

    items = [line(f"l{n}", f"SLEEP 600 {n}") for n in range(30)]
    batch = make_running_batch(*items)
    engine = ray_engine(tmp_path, max_replicas=1)

    async def main() -> None:
        await engine.start()
        try:
            running = asyncio.ensure_future(make_runner(engine).run())
            while sum(count(tmp_path, "got").values()) < 30:
                await asyncio.sleep(0.02)
            await in_thread(lambda: cancel(batch))
            await running
            while sum(count(tmp_path, "CancelledError").values()) < 30:
                await asyncio.sleep(0.02)
        finally:
            await engine.stop()

    asyncio.run(main())

    assert end(batch).status == "cancelled"
