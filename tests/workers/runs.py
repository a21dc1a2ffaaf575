"""Run batches by a Runner on an engine in this process."""

import asyncio
import json
from collections.abc import Callable
from typing import Any, TypeVar

from batches.models import BatchJob, Chunk
from batches.tasks import attend
from files.models import File, batch_storage
from workers.database import disconnect
from workers.engines.base import Answer, Engine
from workers.engines.stub import StubEngine
from workers.running.runner import Runner
from workers.slots.pulse import Pulse

T = TypeVar("T")


class Hooked(StubEngine):
    """A stub engine that calls `hook(number)` before it answers a post."""

    def __init__(self, hook: Callable[[int], object], **engine_args: Any) -> None:
        super().__init__(model="stub", source="", engine_args=engine_args)
        self.posts = 0
        self._hook = hook

    async def post(self, url: str, body: bytes) -> Answer:
        """Answer as the prompt says, unless the hook raises."""
        self.posts += 1
        result = self._hook(self.posts)
        if asyncio.iscoroutine(result):
            await result
        return await super().post(url, body)


async def in_thread(work: Callable[[], T]) -> T:
    """Use the database in the middle of a run, on a connection that is closed then."""

    def whole() -> T:
        try:
            return work()
        finally:
            disconnect()

    return await asyncio.to_thread(whole)


def make_runner(
    engine: Engine, owner: str = "alice", is_over: Callable[[], bool] = lambda: False
) -> Runner:
    """Build a runner; its pulse never beats."""
    pulse = Pulse("gpu0", owner)
    return Runner(engine, owner=owner, pulse=pulse, is_over=is_over)


def run(engine: Engine, is_over: Callable[[], bool] = lambda: False) -> None:
    """Run until nothing is left to claim."""

    async def main() -> None:
        await engine.start()
        try:
            await make_runner(engine, is_over=is_over).run()
        finally:
            await engine.stop()

    asyncio.run(main())


def end(batch: BatchJob) -> BatchJob:
    """Let the ops task do its part, and reload the batch."""
    attend(batch.pk)
    batch.refresh_from_db()
    return batch


def records(file_id: str | None) -> dict[str, Any]:
    """Return the records of an output or error file by custom id."""
    if file_id is None:
        return {}
    with batch_storage().open(File.objects.get(pk=file_id).path) as file:
        parsed = [json.loads(text) for text in file]
    found = {record["custom_id"]: record for record in parsed}
    assert len(found) == len(parsed)
    return found


def union(batch: BatchJob) -> list[str]:
    """Return the custom ids of both files together, sorted."""
    both = [*records(batch.output_file_id), *records(batch.error_file_id)]
    return sorted(both)


def claimable() -> int:
    """Count the chunks nobody holds that are not done."""
    return Chunk.objects.filter(is_done=False, lease_expires_at=None).count()
