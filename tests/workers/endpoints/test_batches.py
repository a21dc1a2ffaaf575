"""Batches on real server processes that are killed in the middle of them."""

import asyncio
import signal
from collections import Counter
from typing import Any

import pytest
from django.db.models import Sum

from batches.models import BatchJob, Segment
from tests.factories import line, make_running_batch
from tests.workers.endpoints.conftest import StartStub
from tests.workers.endpoints.servers import StubProcess, until
from tests.workers.endpoints.test_discovery import named_fleet
from tests.workers.runs import end, in_thread, make_runner, records, union
from tests.workers.servers import http_engine
from workers.engines.base import Engine
from workers.running import feeding
from workers.running import runner as runner_module

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, configure: Any) -> None:
    monkeypatch.setattr(feeding, "LINGER_SECONDS", 0.0)
    monkeypatch.setattr(feeding, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(runner_module, "WATCH_SECONDS", 0.05)
    configure(
        BATCH_CHUNK_LINES=100, WORKER_SEGMENT_LINES=20, WORKER_SEGMENT_SECONDS=0.05
    )


def make_batch(count: int, seconds: float = 0.03) -> BatchJob:
    """Make a running batch whose lines take that long and say their number."""
    return make_running_batch(
        *(line(f"l{n}", f"SLEEP {seconds} {n}") for n in range(count))
    )


def done(batch: BatchJob) -> int:
    """Count the lines of a running batch that have a durable result."""
    segments = Segment.objects.filter(chunk__batch=batch)
    return segments.aggregate(sum=Sum("line_count"))["sum"] or 0


async def until_done(batch: BatchJob, count: int) -> None:
    while await in_thread(lambda: done(batch)) < count:
        await asyncio.sleep(0.02)


async def run_on(engine: Engine, meanwhile: Any) -> None:
    """Run all that waits on an engine, while something happens to it."""
    await engine.start()
    try:
        happening = asyncio.create_task(meanwhile())
        await make_runner(engine).run()
        await happening
    finally:
        await engine.stop()


def fleet(stubs: list[StubProcess], **engine_args: Any) -> Engine:
    source = " ".join(stub.url for stub in stubs)
    return http_engine(source, **{"concurrency": 8, **engine_args})


def assert_whole(batch: BatchJob, count: int) -> None:
    """Each line has one answer, its own, and none has failed."""
    end(batch)
    assert (batch.status, batch.completed, batch.failed) == ("completed", count, 0)
    assert union(batch) == sorted(f"l{n}" for n in range(count))
    for custom_id, record in records(batch.output_file_id).items():
        message = record["response"]["body"]["choices"][0]["message"]
        assert f"l{message['content']}" == custom_id


def test_servers_that_are_killed_and_started_again_lose_no_line(start_stub: StartStub):
    stubs = [start_stub() for _ in range(3)]
    batch = make_batch(600)

    async def kill_in_turn() -> None:
        for number, stub in enumerate(stubs):
            await until_done(batch, 60 + 120 * number)
            await asyncio.to_thread(stub.kill)
            await until_done(batch, 120 + 120 * number)
            await asyncio.to_thread(stub.start)

    asyncio.run(run_on(fleet(stubs), kill_in_turn))

    assert_whole(batch, 600)


def test_a_batch_waits_for_the_first_server_that_comes_back(start_stub: StartStub):
    stubs = [start_stub() for _ in range(2)]
    batch = make_batch(120)
    engine = fleet(stubs)
    reasons: list[str] = []

    async def kill_all() -> None:
        await until_done(batch, 20)
        for stub in stubs:
            await asyncio.to_thread(stub.kill)
        await until(engine.waits_for)
        reasons.append(engine.waits_for())
        await asyncio.to_thread(stubs[1].start)

    asyncio.run(run_on(engine, kill_all))

    assert_whole(batch, 120)
    assert reasons[0].startswith("waiting for an endpoint: ")
    assert all(f"{stub.url}: the connection" in reasons[0] for stub in stubs)


def test_lines_of_a_server_that_was_stopped_run_elsewhere(start_stub: StartStub):
    stubs = [start_stub() for _ in range(2)]
    batch = make_batch(200)

    async def stop_one() -> None:
        await until_done(batch, 20)
        assert stubs[0].process is not None
        stubs[0].process.kill(signal.SIGSTOP)

    asyncio.run(run_on(fleet(stubs, stall_seconds=0.3), stop_one))

    assert_whole(batch, 200)


def test_a_line_that_kills_its_servers_is_found_and_harms_no_other(
    start_stub: StartStub,
):
    stubs = [start_stub() for _ in range(2)]
    items = [line(f"l{n}", f"SLEEP 0.05 {n}") for n in range(30)]
    batch = make_running_batch(*items[:5], line("poison", "DIE"), *items[5:])
    deaths: Counter[str] = Counter()

    async def start_again(stub: StubProcess) -> None:
        """Do what systemd and Kubernetes do."""
        while True:
            await asyncio.sleep(0.05)
            if stub.process is not None and not stub.process.is_alive:
                deaths["all"] += 1
                await asyncio.to_thread(stub.start)

    async def main() -> None:
        keepers = [asyncio.create_task(start_again(stub)) for stub in stubs]
        await run_on(fleet(stubs, concurrency=4), lambda: asyncio.sleep(0))
        for keeper in keepers:
            keeper.cancel()

    asyncio.run(main())

    end(batch)
    assert (batch.completed, batch.failed) == (30, 1)
    (record,) = records(batch.error_file_id).values()
    assert record["custom_id"] == "poison"
    assert record["response"]["body"]["error"]["code"] == "engine_crash"
    # Three with others beside it, two alone.
    assert deaths["all"] <= 5, deaths


def test_a_run_takes_more_lines_when_its_fleet_grows():
    batch = make_batch(200)
    most: list[int] = []

    async def main() -> None:
        async with named_fleet(3, 0) as fleet:
            for server in fleet.servers:
                server.seconds = 0.05

            async def grow() -> None:
                await until_done(batch, 20)
                fleet.tell(0, 1, 2)

            growing = asyncio.create_task(grow())
            await make_runner(fleet.engine).run()
            await growing
            most.extend(server.most for server in fleet.servers)

    asyncio.run(main())

    assert_whole(batch, 200)
    assert most == [4, 4, 4]
