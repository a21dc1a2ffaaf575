"""Lines that kill the engine, and engines that hang: found, replaced, contained."""

import asyncio
from collections import Counter
from typing import Any

import pytest

from batches.models import BatchJob, Chunk, FailedRequest
from tests.factories import line, make_running_batch
from tests.workers.runs import end, make_runner, records, union
from workers.engines.base import Engine, EngineDead, EngineStartFailed
from workers.engines.stub import StubEngine
from workers.running import feeding
from workers.running import runner as runner_module

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, configure: Any) -> None:
    monkeypatch.setattr(feeding, "LINGER_SECONDS", 0.0)
    monkeypatch.setattr(feeding, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(runner_module, "WATCH_SECONDS", 0.01)
    configure(WORKER_SEGMENT_SECONDS=0.02, ENGINE_STALL_SECONDS=0.3)


class Healer:
    """Runs batches on stub engines that are replaced when they die, and counts them."""

    def __init__(self, concurrency: int = 32) -> None:
        self.concurrency = concurrency
        self.engines: list[StubEngine] = []
        self.calls: Counter[str] = Counter()

    def engine(self) -> StubEngine:
        engine = StubEngine(
            model="stub", source="", engine_args={"concurrency": self.concurrency}
        )
        engine.answers.calls = self.calls
        self.engines.append(engine)
        return engine

    async def rebuild(self, death: EngineDead) -> Engine:
        return self.engine()

    @property
    def restarts(self) -> int:
        return len(self.engines) - 1

    def run(self) -> None:
        async def main() -> None:
            runner = make_runner(self.engine())
            runner._flights._rebuild = self.rebuild
            await runner.run()

        asyncio.run(main())


def good(count: int, prefix: str = "g") -> list[dict[str, Any]]:
    return [line(f"{prefix}{n}", f"SLEEP 0.01 {prefix}{n}") for n in range(count)]


def crashed(batch: BatchJob) -> list[str]:
    """Return the lines of a batch that have the record of a crash."""
    return sorted(
        custom_id
        for custom_id, record in records(batch.error_file_id).items()
        if record["response"]["body"]["error"]["code"] == "engine_crash"
    )


def test_a_poison_line_harms_only_itself():
    items = good(200)
    items[77] = line("poison", "DIE")
    batch, healer = make_running_batch(*items), Healer()

    healer.run()

    assert end(batch).status == "completed" and crashed(batch) == ["poison"]
    assert (batch.completed, batch.failed) == (199, 1)
    assert union(batch) == sorted(item["custom_id"] for item in items)
    assert healer.restarts <= 3


def test_three_poison_lines_cost_nine_engines_at_most():
    items = good(300)
    for number in (10, 12, 250):
        items[number] = line(f"p{number}", f"DIE {number}")
    batch, other = make_running_batch(*items), make_running_batch(*good(50, "other"))
    healer = Healer()

    healer.run()

    assert crashed(end(batch)) == ["p10", "p12", "p250"]
    assert end(other).status == "completed" and other.failed == 0
    assert healer.restarts <= 9


def test_a_batch_of_one_poison_line_ends():
    batch, healer = make_running_batch(line("poison", "DIE")), Healer()

    healer.run()

    assert end(batch).status == "completed" and crashed(batch) == ["poison"]
    letter = FailedRequest.objects.get()
    assert (letter.cause, letter.custom_id) == ("engine_crash", "poison")


def test_an_engine_that_hangs_is_replaced_and_its_line_named():
    batch, healer = make_running_batch(*good(20), line("hang", "HANG")), Healer()

    healer.run()

    assert end(batch).status == "completed" and crashed(batch) == ["hang"]
    assert batch.completed == 20


def test_a_slow_engine_is_left_alone():
    batch, healer = make_running_batch(line("slow", "SLEEP 1.2 ok")), Healer()

    healer.run()

    assert end(batch).completed == 1 and healer.restarts == 0


def test_an_engine_that_dies_of_anything_is_no_lines_fault():
    class Broken(StubEngine):
        async def post(self, url: str, body: bytes) -> Any:
            raise EngineDead("out of memory")

    class BrokenHealer(Healer):
        def engine(self) -> StubEngine:
            self.engines.append(Broken(model="stub", source="", engine_args={}))
            return self.engines[-1]

    batch, healer = make_running_batch(*good(5)), BrokenHealer()

    with pytest.raises(EngineStartFailed, match="dies of any request"):
        healer.run()

    batch.refresh_from_db()
    assert (batch.status, batch.failed) == ("in_progress", 0)
    assert not Chunk.objects.exclude(lease_owner="").exists()
