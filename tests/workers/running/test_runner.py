"""The run loop, on the stub engine."""

import asyncio
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any

import pytest

from batches import actions
from batches.models import BatchJob, Chunk
from tests.factories import line, lines, make_model, make_running_batch
from tests.workers.runs import (
    Hooked,
    claimable,
    end,
    in_thread,
    make_runner,
    records,
    run,
    union,
)
from tests.workers.servers import stub_engine
from vllm_batch.lib.clock import database_now
from workers.engines.base import EngineDead
from workers.engines.stub import StubEngine
from workers.running import feeding
from workers.running import runner as runner_module

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, configure: Any) -> None:
    """Look often, and do not linger for more work."""
    monkeypatch.setattr(feeding, "LINGER_SECONDS", 0.0)
    monkeypatch.setattr(feeding, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(runner_module, "WATCH_SECONDS", 0.01)
    configure(
        BATCH_CHUNK_LINES=4,
        WORKER_SEGMENT_LINES=3,
        WORKER_SEGMENT_SECONDS=0.02,
        BATCH_ALLOW_MIXED_MODELS=True,
    )


def ids(number: int) -> list[str]:
    return sorted(f"l{index}" for index in range(number))


def test_every_line_of_two_batches_ends():
    batches = [make_running_batch(*lines(10)), make_running_batch(*lines(7))]

    run(stub_engine())

    assert [end(batch).status for batch in batches] == ["completed", "completed"]
    assert [union(batch) for batch in batches] == [ids(10), ids(7)]


def test_answers_are_those_of_their_lines():
    batch = make_running_batch(*[line(f"{n}", f"ECHO {n}") for n in range(9)])

    run(stub_engine(concurrency=2))

    for custom_id, record in records(end(batch).output_file_id).items():
        message = record["response"]["body"]["choices"][0]["message"]
        assert message["content"] == custom_id


def test_every_line_runs_once_and_is_counted():
    batch = make_running_batch(*[line(f"{n}", f"ECHO {n}") for n in range(9)])
    engine = stub_engine()

    run(engine)

    assert isinstance(engine, StubEngine)
    assert set(engine.answers.calls.values()) == {1}
    end(batch)
    assert (batch.completed, batch.failed, batch.input_tokens) == (9, 0, 63)


def test_failed_lines_do_not_hold_up_the_others():
    prompts = ["ECHO a", "HTTP 400", "VLLMERR", "HTML502", "DROP", "SEP", "SURR"]
    batch = make_running_batch(*[line(p, p) for p in prompts])

    run(stub_engine())

    end(batch)
    assert sorted(records(batch.output_file_id)) == ["ECHO a", "SEP", "SURR"]
    statuses = {
        custom_id: record["response"]["status_code"]
        for custom_id, record in records(batch.error_file_id).items()
    }
    assert statuses == {"HTTP 400": 400, "VLLMERR": 400, "HTML502": 502, "DROP": 502}


def test_only_lines_of_the_engines_model_run():
    make_model("stub-2")
    items = [line(f"{n}", model=["stub", "stub-2"][n % 2]) for n in range(4)]
    batch = make_running_batch(*items)

    run(stub_engine())

    batch.refresh_from_db()
    assert (batch.status, batch.completed) == ("in_progress", 2)
    assert set(Chunk.objects.values_list("model", "is_done")) == {
        ("stub", True),
        ("stub-2", False),
    }


def test_no_more_lines_are_in_flight_than_the_window_allows(configure):
    configure(WORKER_WINDOW=3)
    make_running_batch(*lines(12, "SLEEP 0.01"))
    in_flight, most = 0, 0

    class Counting(StubEngine):
        async def post(self, url: str, body: bytes) -> Any:
            nonlocal in_flight, most
            in_flight += 1
            most = max(most, in_flight)
            try:
                return await super().post(url, body)
            finally:
                in_flight -= 1

    run(Counting(model="stub", source="", engine_args={}))

    assert most == 3


def test_lines_with_a_result_do_not_run_again():
    batch = make_running_batch(*[line(f"{n}", f"ECHO {n}") for n in range(4)])
    seen: list[bytes] = []

    class Dying(StubEngine):
        async def post(self, url: str, body: bytes) -> Any:
            if len(seen) == 2:
                raise EngineDead("out of memory")
            seen.append(body)
            return await super().post(url, body)

    with pytest.raises(EngineDead):
        run(Dying(model="stub", source="", engine_args={"concurrency": 1}))
    engine = stub_engine()
    run(engine)

    assert isinstance(engine, StubEngine)
    assert end(batch).status == "completed"
    assert union(batch) == ["0", "1", "2", "3"]
    assert sum(engine.answers.calls.values()) == 2


def test_an_engine_that_dies_leaves_its_chunks_to_others():
    make_running_batch(*lines(8))

    def die(number: int) -> None:
        raise EngineDead("out of memory")

    with pytest.raises(EngineDead, match="out of memory"):
        run(Hooked(die))

    assert claimable() == 2
    assert BatchJob.objects.get().failed == 0


def test_a_drain_ends_what_is_in_flight_and_starts_nothing_new(configure):
    configure(WORKER_WINDOW=2)
    batch = make_running_batch(*lines(12, "SLEEP 0.05 done"))
    engine = Hooked(lambda number: None)

    run(engine, is_over=lambda: engine.posts >= 2)

    batch.refresh_from_db()
    assert batch.completed == engine.posts < 12
    assert claimable() > 0 and not Chunk.objects.exclude(lease_owner="").exists()


def test_a_drain_gives_up_lines_that_take_too_long(configure):
    configure(WORKER_DRAIN_SECONDS=0.05)
    batch = make_running_batch(*lines(2, "SLEEP 600"))
    engine = Hooked(lambda number: None)

    run(engine, is_over=lambda: engine.posts >= 1)

    batch.refresh_from_db()
    assert (batch.completed, batch.failed) == (0, 0)
    assert claimable() == 1


def test_a_drained_batch_is_ended_by_the_next_worker():
    batch = make_running_batch(*lines(12))
    engine = Hooked(lambda number: None)
    run(engine, is_over=lambda: engine.posts >= 5)

    run(stub_engine())

    assert end(batch).status == "completed" and union(batch) == ids(12)


def stopping(change: Any) -> Hooked:
    """Return an engine during whose third post the batches change."""

    def hook(number: int) -> Coroutine[Any, Any, Any] | None:
        return in_thread(change) if number == 3 else None

    return Hooked(hook)


def test_a_cancelled_batchs_lines_stop(configure):
    configure(BATCH_CHUNK_LINES=100)
    batch = make_running_batch(*lines(2), *lines(5, "SLEEP 600")[2:])

    run(stopping(lambda: actions.cancel(BatchJob.objects.get())))

    assert end(batch).status == "cancelled" and union(batch) == ids(5)
    assert len(records(batch.output_file_id)) == 2


def test_another_batch_goes_on_when_one_is_cancelled():
    cancelled = make_running_batch(*lines(3, "SLEEP 600"), priority=1)
    other = make_running_batch(*lines(6))

    run(stopping(lambda: actions.cancel(BatchJob.objects.get(pk=cancelled.pk))))

    assert end(cancelled).status == "cancelled"
    assert end(other).status == "completed" and union(other) == ids(6)


def test_a_batch_past_its_deadline_stops():
    batch = make_running_batch(*lines(3, "SLEEP 600"))
    past = database_now() - timedelta(seconds=1)

    run(stopping(lambda: BatchJob.objects.update(expires_at=past)))

    assert end(batch).status == "expired" and union(batch) == ids(3)
    assert (batch.completed, batch.failed) == (0, 0)


def test_a_paused_batch_ends_what_is_in_flight_and_goes_on_later(configure):
    configure(WORKER_WINDOW=3)
    batch = make_running_batch(*lines(5, "SLEEP 1"))
    run(stopping(lambda: BatchJob.objects.update(paused_reason="by hand")))
    batch.refresh_from_db()
    assert (batch.status, batch.completed) == ("in_progress", 3)

    BatchJob.objects.update(paused_reason="")

    assert Chunk.objects.claimable(database_now()).exists()


def test_a_chunk_that_was_taken_away_is_let_go(configure):
    configure(WORKER_WINDOW=1, WORKER_SEGMENT_LINES=100, WORKER_SEGMENT_SECONDS=60.0)
    batch = make_running_batch(*lines(3))

    run(stopping(lambda: Chunk.objects.update(fence=99, lease_owner="bob")))

    batch.refresh_from_db()
    assert (batch.completed, batch.failed) == (0, 0)
    assert Chunk.objects.get().lease_owner == "bob"


def test_two_workers_share_a_batch_and_no_line_runs_twice():
    batch = make_running_batch(*[line(f"{n}", f"SLEEP 0.001 {n}") for n in range(40)])
    engine = stub_engine()

    async def main() -> None:
        await asyncio.gather(
            make_runner(engine, "alice").run(), make_runner(engine, "bob").run()
        )

    asyncio.run(main())

    assert isinstance(engine, StubEngine)
    assert set(engine.answers.calls.values()) == {1}
    assert end(batch).status == "completed" and len(union(batch)) == 40


def test_an_engine_that_is_down_is_waited_for(monkeypatch):
    batch = make_running_batch(*lines(2))
    sleep = asyncio.sleep
    monkeypatch.setattr(asyncio, "sleep", lambda seconds: sleep(min(seconds, 0.01)))

    class Down(StubEngine):
        tries = 0

        async def post(self, url: str, body: bytes) -> Any:
            self.tries += 1
            answer = await super().post(url, body)
            return answer if self.tries > 6 else type(answer)(503, b"")

        async def health(self) -> bool:
            return False

    run(Down(model="stub", source="", engine_args={}))

    end(batch)
    assert (batch.completed, batch.failed) == (2, 0)
