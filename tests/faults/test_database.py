"""The database cut off, restarted, away or silent while batches run."""

import random
import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from tests.rig.history import Recorder, Unanswered, lines
from tests.rig.rig import Rig, scale
from tests.rig.tree import wait_until_gone
from workers.supervising import family

pytestmark = [pytest.mark.faults, pytest.mark.timeout(1200)]

CUTS = scale(4, 10, 50)
RESTARTS = scale(1, 3, 20)
AWAY_SECONDS = scale(2, 30, 300)


def test_a_connection_cut_after_commit_doubles_nothing(
    rig: Rig, client: Recorder, rng: random.Random
):
    """T09: whether the COMMIT took effect is not known to who sent it."""
    cuts, number = rig.proxy.cuts, 0
    while rig.proxy.cuts < cuts + CUTS:
        batch = client.submit(lines(f"cut{number}", 1500))
        for _ in range(3):
            time.sleep(rng.random() / 2)
            rig.proxy.cut_after_commits(1)
        client.finish(batch, 90)
        number += 1
    client.must_be_good()


def test_a_restart_of_the_database_costs_no_engine(rig: Rig, client: Recorder):
    """T13: `immediate`, as a crash of the server would be."""
    engine = rig.tree.one("gpu", "worker")
    longest = 0.0
    for number in range(RESTARTS):
        batch = client.submit(lines(f"restart{number}", 2500, "SLEEP 0.01"))
        client.wait(batch, until=frozenset({"in_progress"}))
        time.sleep(0.5)

        rig.postgres.halt()
        rig.postgres.resume()

        started, done = time.monotonic(), client.poll_counts(batch)
        while client.poll_counts(batch) <= done:
            assert time.monotonic() - started < 30
            time.sleep(0.2)
        longest = max(longest, time.monotonic() - started)
        client.finish(batch, 90)

    print(f"longest recovery: {longest:.1f} s")
    client.must_be_good()
    assert wait_until_gone([engine], 0) == [engine]
    assert 500 not in client.history.statuses


def test_a_database_that_is_long_away_is_waited_for(rig: Rig, client: Recorder):
    """T14: no process may spin, and the backlog is worked off."""
    engine = rig.tree.one("gpu", "worker")
    batch = client.submit(lines("away", 3000, "SLEEP 0.01"))
    client.wait(batch, until=frozenset({"in_progress"}))
    mark = len(rig.worker_log())

    rig.postgres.halt()
    time.sleep(AWAY_SECONDS)
    rig.postgres.resume()
    started = time.monotonic()
    client.finish(batch, 120)

    restarts = re.findall(r"reincarnated|cluster ended", rig.worker_log()[mark:])
    # Two pushers, each of which django-q2 starts again after 10 s.
    assert len(restarts) <= 2 * (AWAY_SECONDS + time.monotonic() - started) / 10 + 2
    client.must_be_good()
    assert wait_until_gone([engine], 0) == [engine]


def test_a_worker_whose_connections_died_silently_is_replaced(
    rig: Rig, client: Recorder
):
    """T15: the far end is gone, and no packet says so."""
    batch = client.submit(lines("silent", 3000, "SLEEP 0.01"))
    client.wait(batch, until=frozenset({"in_progress"}))
    time.sleep(0.5)
    worker = rig.tree.one("gpu", "worker")

    assert rig.proxy.go_silent(worker.pid) > 0

    started, done = time.monotonic(), client.poll_counts(batch)
    while client.poll_counts(batch) <= done + 100:
        assert time.monotonic() - started < 60
        time.sleep(0.2)
    print(f"normal again after {time.monotonic() - started:.1f} s")
    client.finish(batch, 90)
    rig.proxy.speak()
    client.must_be_good()


def test_a_supervisor_whose_connection_died_silently_goes_on(
    rig: Rig, client: Recorder
):
    """T15: it watches, so nobody would restart it."""
    runworker = rig.stack.processes["worker"].pid
    mark = rig.worker_log().count("the database is away: it did not answer")

    assert rig.proxy.go_silent(runworker) > 0

    client.finish(client.submit(lines("blind", 200)), 30)
    ends_at = time.monotonic() + 40
    said = "the database is away: it did not answer"
    while rig.worker_log().count(said) == mark:
        assert time.monotonic() < ends_at
        time.sleep(0.2)
    rig.proxy.speak()
    client.must_be_good()


def web_pids(rig: Rig) -> list[int]:
    """Return the web server's processes."""
    main = rig.stack.processes["web"].pid
    return [main, *(member.pid for member in family.descendants(main))]


def ask(client: Recorder, work: Callable[[], object]) -> float:
    """Let the web server answer with success or 503; return how long that took."""
    started = time.monotonic()
    with suppress(Unanswered):
        work()
    assert client.history.statuses[-1] in (200, 503)
    return time.monotonic() - started


def test_a_web_server_whose_connections_died_silently_answers_in_time(
    rig: Rig, client: Recorder
):
    """T15: those in its pool, before a request has one of them."""
    for _ in range(8):
        client.insist(lambda: client.send("GET", "/files"))

    assert rig.proxy.go_silent(*web_pids(rig)) > 0

    longest = max(ask(client, lambda: client.send("GET", "/files")) for _ in range(8))
    print(f"longest answer: {longest:.1f} s")
    assert longest < 15
    rig.proxy.speak()
    client.insist(lambda: client.send("GET", "/files"), 15)
    assert 500 not in client.history.statuses


def test_a_request_whose_connection_dies_silently_is_answered_in_time(
    rig: Rig, client: Recorder
):
    """T15: in the middle of it, on a connection that was just found to be good."""
    content = lines("half-open", 10)
    rig.arm("upload.received", 1, "sleep 1")
    with ThreadPoolExecutor() as pool:
        answer = pool.submit(ask, client, lambda: client.upload(content))
        while not rig.passes("upload.received"):
            time.sleep(0.02)
        assert rig.proxy.go_silent(*web_pids(rig)) > 0

    print(f"answered after {answer.result():.1f} s")
    assert client.history.statuses == [503]
    assert answer.result() < 15
    rig.proxy.speak()
    client.finish(client.submit(content), 30)
    client.must_be_good()
