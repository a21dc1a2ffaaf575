"""Workers that are killed: by a line, which is found, or from outside.

A holder that is killed is played by a run that breaks off and cannot let go of its
chunk any more.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from batches import claims
from batches.models import BatchJob, Chunk
from tests.factories import line, make_running_batch
from tests.workers.runs import end, make_runner, records, union
from vllm_batch.lib.clock import database_now
from workers.engines.base import Answer
from workers.engines.stub import StubEngine
from workers.running import feeding, healing, leases
from workers.running import runner as runner_module
from workers.running.reading import in_hand

pytestmark = pytest.mark.django_db(transaction=True)


class Killed(BaseException):
    """The process is gone."""


class Mortal(StubEngine):
    """Takes its whole process along at each request that `is_deadly` says so of."""

    def __init__(self, is_deadly: Callable[[bytes], bool]) -> None:
        super().__init__(model="stub", source="", engine_args={})
        self._is_deadly = is_deadly

    async def post(self, url: str, body: bytes) -> Answer:
        """Answer, or die."""
        if self._is_deadly(body):
            raise Killed
        return await super().post(url, body)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, configure: Any) -> None:
    monkeypatch.setattr(feeding, "LINGER_SECONDS", 0.0)
    monkeypatch.setattr(feeding, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(runner_module, "WATCH_SECONDS", 0.01)
    configure(WORKER_SEGMENT_SECONDS=0.02)


@pytest.fixture
def run_until_killed(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """A function that runs what waits as another owner each time, and may be killed."""
    release, owners = leases.release, iter(range(1000))

    def run(is_deadly: Callable[[bytes], bool]) -> None:
        is_dead = False

        def deadly(body: bytes) -> bool:
            nonlocal is_dead
            is_dead = is_dead or is_deadly(body)
            return is_dead

        def release_if_alive(claim: Any) -> None:
            if not is_dead:
                release(claim)

        monkeypatch.setattr(leases, "release", release_if_alive)
        runner = make_runner(Mortal(deadly), owner=f"owner {next(owners)}")
        with suppress(Killed):
            asyncio.run(runner.run())
        held = Chunk.objects.exclude(lease_owner="")
        held.update(lease_expires_at=database_now())

    return run


def good(count: int) -> list[dict[str, Any]]:
    return [line(f"g{n}", f"SLEEP 0.01 g{n}") for n in range(count)]


def crashed(batch: BatchJob) -> list[str]:
    return sorted(
        custom_id
        for custom_id, record in records(batch.error_file_id).items()
        if record["response"]["body"]["error"]["code"] == "engine_crash"
    )


def vanish(batch: BatchJob, probed: int | None, name: str) -> None:
    """Claim the batch's chunk, send a line alone, and be killed."""
    chunk = claims.claim_next(name, 60, Chunk.objects.filter(batch=batch))
    assert chunk is not None
    if probed is not None:
        claims.probe(in_hand(chunk, name).claim, probed)
    Chunk.objects.update(lease_expires_at=database_now())


@pytest.mark.parametrize("places", [[0], [50], [3, 4], [0, 63, 99]])
def test_lines_that_kill_the_process_are_found(run_until_killed, places):
    items = good(100)
    for place in places:
        items[place] = line(f"p{place}", f"POISON {place}")
    batch = make_running_batch(*items)

    for _ in range(5 * len(places) + 1):
        run_until_killed(lambda body: b"POISON" in body)

    assert end(batch).status == "completed"
    assert crashed(batch) == sorted(f"p{place}" for place in places)
    assert union(batch) == sorted(item["custom_id"] for item in items)


@pytest.mark.parametrize("kills", range(1, 4))
def test_a_healthy_batch_is_not_blamed_for_kills_from_outside(run_until_killed, kills):
    batch = make_running_batch(*good(6))
    for _ in range(kills):
        run_until_killed(lambda body: b"g3" in body)

    run_until_killed(lambda body: False)

    assert end(batch).status == "completed" and batch.failed == 0


def test_a_chunk_whose_holder_vanished_runs_in_small_parts(run_until_killed):
    batch = make_running_batch(*good(100))
    vanish(batch, None, "dead")

    run_until_killed(lambda body: False)

    assert end(batch).completed == 100
    assert batch.chunks.get().segments.count() >= 100 / healing.CAREFUL_LINES


def test_one_holder_that_vanished_with_a_line_alone_proves_nothing(run_until_killed):
    batch = make_running_batch(*good(6))
    for name, probed in (("a", None), ("b", None), ("c", 4), ("d", None)):
        vanish(batch, probed, name)

    run_until_killed(lambda body: False)

    assert end(batch).completed == 6


def test_a_line_that_was_alone_at_two_holders_that_vanished_is_poison(run_until_killed):
    batch = make_running_batch(*good(6))
    for name, probed in (("a", None), ("b", 4), ("c", None), ("d", 4)):
        vanish(batch, probed, name)

    run_until_killed(lambda body: b"g3" in body)

    assert end(batch).status == "completed" and crashed(batch) == ["g3"]
    assert (batch.completed, batch.failed) == (5, 1)


@pytest.mark.parametrize("second", [5, None])
def test_two_holders_with_different_lines_blame_neither(run_until_killed, second):
    batch = make_running_batch(*good(6))
    for name, probed in (("a", 4), ("b", second)):
        vanish(batch, probed, name)

    run_until_killed(lambda body: False)

    assert end(batch).completed == 6


def test_a_holder_that_lost_its_lease_and_lives_did_not_vanish(run_until_killed):
    batch = make_running_batch(*good(6))
    for probed in (4, 4, 4):
        vanish(batch, probed, "alive")

    run_until_killed(lambda body: False)

    assert end(batch).completed == 6


def test_a_holder_that_lets_go_takes_the_suspicion_along(run_until_killed):
    batch = make_running_batch(*good(6))
    for name in ("a", "b"):
        vanish(batch, 4, name)
    Chunk.objects.update(lease_owner="", lease_expires_at=None)

    run_until_killed(lambda body: False)

    assert end(batch).completed == 6
