"""A worker that sleeps past its lease and wakes up can change nothing (T05, T06)."""

import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.rig.history import Recorder, lines
from tests.rig.rig import Rig, scale
from tests.rig.tree import kill
from workers.supervising import family
from workers.supervising.family import Member

pytestmark = [pytest.mark.faults, pytest.mark.timeout(900)]

LEASE_SECONDS = 2
SLEEP_SECONDS = 1.6 * LEASE_SECONDS
PAUSES = scale(2, 4, 25)
CONTROLS = scale(1, 2, 10)


@pytest.fixture
def second_worker(rig: Rig) -> Iterator[None]:
    """Another slot that takes over what the first one holds too long."""
    rig.stack.start_worker("gpu1")
    rig.tree_of("worker-gpu1").wait_until_complete()
    yield
    # A drain would wait for writers that try what the database refuses.
    rig.stack.processes["worker-gpu1"].stop(0)


def pause(worker: Member) -> None:
    """Stop a process for longer than its lease."""
    kill(worker, signal.SIGSTOP)
    time.sleep(SLEEP_SECONDS)
    kill(worker, signal.SIGCONT)


@pytest.mark.usefixtures("second_worker")
def test_a_worker_that_wakes_up_late_writes_nothing(rig: Rig, client: Recorder):
    fenced = rig.worker_log().count("fenced: ")
    # So long that both workers have lines in flight at each pause.
    number = PAUSES * 1500
    batch = client.submit(lines("z", number, "SLEEP 0.02"))
    client.wait(batch, until=frozenset({"in_progress"}))

    for _ in range(PAUSES):
        time.sleep(0.7)
        pause(rig.tree.one("gpu", "worker"))
    client.finish(batch, 300)

    client.must_be_good()
    assert rig.worker_log().count("fenced: ") > fenced


@pytest.mark.usefixtures("second_worker")
def test_a_worker_that_freezes_while_it_writes_holds_nobody_up(
    rig: Rig, client: Recorder
):
    """What it wrote last is not committed, and locks rows that others need."""
    rig.arm("segment.counted", 3, "stop")
    batch = client.submit(lines("f", 2000, "SLEEP 0.02"))
    frozen = wait_for_frozen(rig)
    chunks = chunks_of(rig, batch, frozen)

    while chunks & chunks_of(rig, batch, frozen):
        assert family.is_there(frozen)
        time.sleep(0.05)
    # Nobody had to end it: the supervisor has not yet missed its heartbeat.
    assert family.is_there(frozen)
    kill(frozen, signal.SIGCONT)
    client.finish(batch, 60)

    assert chunks
    client.must_be_good()


def wait_for_frozen(rig: Rig) -> Member:
    """Return the worker that stopped at a fault point, once one did."""
    ends_at = time.monotonic() + 30
    while True:
        for name in ("worker", "worker-gpu1"):
            worker = rig.tree_of(name).one("gpu", "worker")
            stat = Path(f"/proc/{worker.pid}/stat").read_text()
            if stat.rpartition(")")[2].split()[0] == "T":
                return worker
        assert time.monotonic() < ends_at, "no worker stopped"
        time.sleep(0.05)


def chunks_of(rig: Rig, batch: str, worker: Member) -> set[int]:
    """Return which of a batch's chunks a worker holds."""
    sql = (
        f"SELECT index, lease_owner FROM vllm_batches_chunk WHERE batch_id = '{batch}'"
    )
    return {index for index, owner in rig.query(sql) if f":{worker.pid}:" in owner}


@pytest.mark.usefixtures("second_worker")
def test_without_the_fence_the_checker_turns_red(
    rig: Rig, client: Recorder, rng: random.Random
):
    """T06, the control: the rig does see what the fence prevents."""
    red = 0
    for number in range(CONTROLS):
        rig.arm("segment.fence", "*", "skip")
        # One chunk, so that the other worker is idle and takes over.
        batch = client.submit(lines(f"n{number}", 200, "SLEEP 0.25"))
        client.wait(batch, until=frozenset({"in_progress"}))
        time.sleep(1 + rng.random() / 2)
        pause_until_taken(rig, batch)
        red += not ends_well(client, batch)
        rig.disarm()
        # The workers would try for ever what the database's own checks refuse.
        rig.fail(batch)
        for name in ("worker", "worker-gpu1"):
            rig.restart_worker(name)
        # The one that takes over has to be up before the other one's supervisor acts.
        rig.tree_of("worker-gpu1").wait_until_complete()
    assert red >= 0.9 * CONTROLS


def pause_until_taken(rig: Rig, batch: str) -> None:
    """Stop who holds the batch's chunk until the other one does."""
    first = owner(rig, batch)
    kill(first, signal.SIGSTOP)
    ends_at = time.monotonic() + 3 * SLEEP_SECONDS
    while owner(rig, batch) == first and time.monotonic() < ends_at:
        time.sleep(0.1)
    kill(first, signal.SIGCONT)


def owner(rig: Rig, batch: str) -> Member:
    """Return the process that holds the batch's chunk."""
    sql = f"SELECT lease_owner FROM vllm_batches_chunk WHERE batch_id = '{batch}'"
    member = family.find(int(rig.query(sql)[0][0].split(":")[1]))
    assert member is not None
    return member


def ends_well(client: Recorder, batch: str) -> bool:
    """Tell whether a batch completes, with everything right."""
    client.history.events = [
        event for event in client.history.events if event.get("batch") == batch
    ]
    try:
        client.finish(batch, 12)
    except AssertionError as error:
        print(error)
        return False
    print(client.history.verdict())
    return client.history.verdict().is_green
