"""kill -9 of every process of a worker: noticed, ended together, started again."""

import os
import random
import signal
import time

import pytest

from tests.rig.history import Recorder, lines
from tests.rig.rig import Rig, scale
from tests.rig.tree import ROLES, kill, wait_until_gone
from workers.supervising.family import Member

pytestmark = [pytest.mark.faults, pytest.mark.timeout(900)]

TIMES = scale(1, 2, 10)
NOTICED_SECONDS = 2.0
# What falls with its whole cluster; a pusher is replaced alone.
VITAL = [role for role in ROLES if role != "pusher"]


def cluster_of(rig: Rig, cluster: str) -> list[Member]:
    """Return all processes of a cluster, engines included."""
    keeper = rig.tree.one(cluster, "keeper")
    below = [m for m in rig.tree.members() if m.pid != keeper.pid]
    pids = {keeper.pid}
    for _ in below:
        pids |= {m.pid for m in below if m.parent in pids}
    return [keeper, *(m for m in below if m.pid in pids)]


@pytest.mark.parametrize("role", VITAL)
def test_a_killed_process_is_noticed_and_its_cluster_starts_anew(
    rig: Rig, client: Recorder, role: str
):
    for number in range(TIMES):
        rig.tree.wait_until_complete()
        others = [*cluster_of(rig, "gpu"), *cluster_of(rig, "ops")]

        for cluster in ("gpu", "ops"):
            assert kill(rig.tree.one(cluster, role))

        assert wait_until_gone(others, NOTICED_SECONDS) == []
        batch = client.submit(lines(f"{role}{number}", 20))
        client.wait(batch, 30, frozenset({"in_progress", "finalizing", "completed"}))
        client.finish(batch, 30)
    client.must_be_good()
    assert rig.two_engines() == []


def test_a_worker_killed_at_its_birth_is_noticed(rig: Rig, client: Recorder):
    """It has the ticket and no title yet: whoever takes its place waits for ever."""
    rig.arm("worker.started", 1, "kill")
    started = time.monotonic()

    assert kill(rig.tree.one("gpu", "worker"))

    # Sooner than the supervisor finds that nobody takes the work.
    client.finish(client.submit(lines("birth", 20)), 20)
    assert rig.passes("worker.started") == 2
    print(f"done after {time.monotonic() - started:.1f} s")
    client.must_be_good()


def test_a_killed_pusher_costs_no_engine(rig: Rig, client: Recorder):
    for number in range(TIMES):
        others = [*cluster_of(rig, "gpu"), *cluster_of(rig, "ops")]
        others = [member for member in others if "pusher" not in member.title]

        for cluster in ("gpu", "ops"):
            assert kill(rig.tree.one(cluster, "pusher"))

        client.finish(client.submit(lines(f"pusher{number}", 20)), 60)
        assert wait_until_gone(others, 0) == others
    client.must_be_good()


def test_a_killed_monitor_leaves_no_heap_of_doorbells(rig: Rig, client: Recorder):
    batches = []
    for number in range(scale(4, 8, 20)):
        if number % 4 == 0:
            kill(rig.tree.one("ops", "monitor"))
        batches.append(client.submit(lines(f"m{number}", 5)))
    for batch in batches:
        client.finish(batch)

    client.must_be_good()
    (waiting,) = rig.query("SELECT count(*) FROM django_q_ormq WHERE lock <= now()")
    assert waiting[0] <= 5


def test_sigterm_to_a_whole_group_does_not_hang_it(rig: Rig, client: Recorder):
    main = rig.tree.one("gpu", "main")
    others = cluster_of(rig, "gpu")

    os.killpg(main.pid, signal.SIGTERM)

    assert wait_until_gone(others, NOTICED_SECONDS) == []
    client.finish(client.submit(lines("group", 20)), 30)
    client.must_be_good()


def test_all_ends_with_runworker_and_the_next_one_starts(rig: Rig, client: Recorder):
    for number in range(TIMES):
        rig.tree.wait_until_complete()
        others = rig.tree.members()
        worker = rig.stack.processes["worker"].popen
        assert worker is not None

        worker.kill()
        worker.wait()

        assert wait_until_gone(others, 5) == []
        rig.stack.start_worker()
        client.finish(client.submit(lines(f"again{number}", 20)), 30)
    client.must_be_good()
    assert rig.two_engines() == []


def test_nothing_is_left_when_runworker_and_keepers_are_killed_at_once(rig: Rig):
    others = rig.tree.members()
    keepers = rig.tree.of("gpu", "keeper") + rig.tree.of("ops", "keeper")
    worker = rig.stack.processes["worker"].popen
    assert worker is not None

    for pid in (worker.pid, *(keeper.pid for keeper in keepers)):
        os.kill(pid, signal.SIGKILL)
    worker.wait()
    rig.stack.start_worker()

    # Only the engine's process could live on; the next keeper has ended it.
    rig.tree.wait_until_complete()
    assert wait_until_gone(others, 5) == []
    assert rig.two_engines() == []


def test_a_drain_in_time_runs_no_line_twice(rig: Rig, client: Recorder):
    number = scale(400, 1000)
    before = rig.calls()
    batch = client.submit(lines("drain", number, "SLEEP 0.05"))
    client.wait(batch, until=frozenset({"in_progress"}))
    time.sleep(1)
    worker = rig.stack.processes["worker"].popen
    assert worker is not None

    started = time.monotonic()
    worker.terminate()
    status = worker.wait(60)
    seconds = time.monotonic() - started

    rig.stack.start_worker()
    client.finish(batch, 120)
    assert (status, rig.calls() - before) == (0, number)
    assert seconds < 30
    client.must_be_good()


def test_a_crash_loop_is_slowed_down_and_ends_by_itself(
    rig: Rig, rng: random.Random, client: Recorder
):
    started = time.monotonic()
    for _ in range(4):
        victim = rig.tree.one("gpu", rng.choice(["main", "sentinel", "keeper"]), 60)
        others = cluster_of(rig, "gpu")
        assert kill(victim)
        assert wait_until_gone(others, NOTICED_SECONDS) == []
    rig.tree.one("gpu", "worker", 60)

    # The pauses alone; at most the first kill hits a cluster that was well.
    assert time.monotonic() - started > 2
    client.finish(client.submit(lines("loop", 20)), 60)
    client.must_be_good()
