"""Keep the engine full: a window of requests over chunk and batch borders, no barrier.

claims ──▶ feeder ──▶ queue ──▶ W coroutines ──▶ engine.post ──▶ writer
▲ cancelled one by one when their batch stops
"""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

from batches import records
from batches.exceptions import Fenced
from batches.models import Chunk
from batches.records import Outcome
from vllm_batch.lib.conf import conf
from vllm_batch.lib.ids import new_id
from workers import leases
from workers.database import disconnect, patiently
from workers.engines.base import Answer, Engine, EngineDead, EngineUnreachable
from workers.pulse import Pulse
from workers.reading import ChunkInHand, Request, in_hand, requests_of
from workers.writer import Writer

logger = logging.getLogger(__name__)

BLOCK_LINES = 256
POLL_SECONDS = 0.2
LINGER_SECONDS = 1.0
WATCH_SECONDS = 0.5
RETRY_STATUSES = frozenset({429, 502, 503, 504})
LONGEST_WAIT_SECONDS = 30.0
_UNREACHABLE = b'{"error": {"message": "The engine closed the connection."}}'


class Runner:
    """Runs the chunks of one model on one started engine until none is left.

    `is_over` is asked before each request is queued; once true, nothing new starts and
    what is in flight has `WORKER_DRAIN_SECONDS` to end.
    """

    def __init__(
        self, engine: Engine, *, owner: str, pulse: Pulse, is_over: Callable[[], bool]
    ) -> None:
        self._engine = engine
        self._owner = owner
        self._pulse = pulse
        self._is_over = is_over
        self._queue: asyncio.Queue[Request] = asyncio.Queue(maxsize=BLOCK_LINES)
        self._held: set[ChunkInHand] = set()
        self._in_flight: dict[Request, asyncio.Task[None]] = {}
        self._death: EngineDead | None = None
        self._is_closing = False
        self._writer = Writer(self._held, self._lose)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="feeder")

    async def run(self) -> None:
        """Run until there is nothing more to claim; raises EngineDead if it died."""
        self._loop = asyncio.get_running_loop()
        window = conf().WORKER_WINDOW or 2 * self._engine.concurrency
        workers = [self._loop.create_task(self._work()) for _ in range(window)]
        feeder = self._loop.create_task(self._feed())
        watch = self._loop.create_task(self._watch())
        writer = self._loop.create_task(self._writer.run())
        try:
            await self._until_first(feeder, watch, writer, *workers)
            await self._drain(workers)
        finally:
            self._is_closing = True
            await _cancel([feeder, watch, *workers])
            self._abandon()
            self._writer.close()
            await writer
            await self._in_thread(disconnect)
            self._thread.shutdown()
        if self._death is not None:
            raise self._death

    async def _until_first(self, *tasks: asyncio.Task[None]) -> None:
        """Return when the feeder is through, or raise what broke any of the tasks."""
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            if not task.cancelled() and (error := task.exception()):
                if not isinstance(error, EngineDead):
                    raise error
                self._death = error

    async def _drain(self, workers: list[asyncio.Task[None]]) -> None:
        while not self._queue.empty():
            self._queue.get_nowait().chunk.outstanding -= 1
        deadline = asyncio.get_running_loop().time() + conf().WORKER_DRAIN_SECONDS
        while self._in_flight and self._death is None:
            left = deadline - asyncio.get_running_loop().time()
            if left <= 0 or any(worker.done() for worker in workers):
                return
            await asyncio.sleep(min(0.05, left))

    def _abandon(self) -> None:
        """Let the lines still out be run again by whoever claims their chunk next."""
        for chunk in self._held:
            chunk.is_read = True
            chunk.outstanding = 0

    async def _in_thread(self, work: Callable[..., Any], *args: object) -> Any:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, patiently, work, *args)

    async def _feed(self) -> None:
        idle_seconds = 0.0
        while not self._is_over():
            chunk = await self._in_thread(
                leases.claim_chunk, self._owner, self._engine.model
            )
            if chunk is not None:
                idle_seconds = 0.0
                await self._feed_chunk(chunk)
                continue
            if not self._held:
                idle_seconds += POLL_SECONDS
            if idle_seconds > LINGER_SECONDS:
                return
            await asyncio.sleep(POLL_SECONDS)

    async def _feed_chunk(self, chunk: Chunk) -> None:
        held = in_hand(chunk, self._owner)
        self._held.add(held)
        requests = requests_of(chunk, held)
        while block := await self._in_thread(_next_block, requests):
            for request in block:
                if held.stopped or self._is_over():
                    break
                held.outstanding += 1
                await self._queue.put(request)
            if held.stopped or self._is_over():
                break
        await self._in_thread(requests.close)
        held.is_read = True
        self._writer.note(held)

    async def _work(self) -> None:
        task = cast("asyncio.Task[None]", asyncio.current_task())
        while True:
            await self._writer.room()
            request = await self._queue.get()
            if not request.chunk.stopped:
                await self._run_unless_stopped(request, task)
            request.chunk.outstanding -= 1
            self._writer.note(request.chunk)

    async def _run_unless_stopped(
        self, request: Request, task: "asyncio.Task[None]"
    ) -> None:
        self._in_flight[request] = task
        self._pulse.in_flight = len(self._in_flight)
        try:
            await self._run_one(request)
        except asyncio.CancelledError:
            if self._is_closing or not request.chunk.stopped:
                raise
            # Only this line was cancelled, not the coroutine that carried it.
            task.uncancel()
        finally:
            del self._in_flight[request]

    async def _run_one(self, request: Request) -> None:
        request_id = new_id("req_")
        outcome = await self._outcome(request)
        held = request.chunk
        record = records.answered(
            held.claim.batch_id, request.number, request.custom_id, request_id, outcome
        )
        held.results.add(record, outcome)
        held.finished_lines.append(request.number)
        self._pulse.count()

    async def _outcome(self, request: Request) -> Outcome:
        """Ask the engine, and wait for one that is down: its lines did not fail.

        The engine itself repeats what may pass (429, 503, a lost connection). If it
        still fails while the engine is well, it is this line's own fault (R50, R51).
        """
        wait = 1.0
        while True:
            try:
                answer = await self._engine.post(request.chunk.endpoint, request.body)
            except EngineUnreachable:
                answer = Answer(502, _UNREACHABLE)
            is_final = answer.status not in RETRY_STATUSES
            if is_final or await self._engine.health():
                return records.judge(answer.status, answer.body)
            self._pulse.reason = "waiting for the engine to come back"
            await asyncio.sleep(wait)
            wait = min(2 * wait, LONGEST_WAIT_SECONDS)

    async def _watch(self) -> None:
        """Stop the lines of batches that were cancelled, paused or have expired."""
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            ids = {chunk.claim.batch_id for chunk in self._held}
            if not ids:
                continue
            stopped = await self._in_thread(leases.stopped_batches, ids)
            for chunk in list(self._held):
                if chunk.claim.batch_id in stopped and not chunk.stopped:
                    self._stop(chunk, stopped[chunk.claim.batch_id])

    def _stop(self, chunk: ChunkInHand, cause: str) -> None:
        chunk.stopped = cause
        for request, task in list(self._in_flight.items()):
            if request.chunk is chunk:
                task.cancel()
        self._writer.note(chunk)

    def _lose(self, chunk: ChunkInHand) -> None:
        """Give up a chunk that has another owner; called from the writer's thread."""
        self._loop.call_soon_threadsafe(self._stop, chunk, Fenced.__name__)


async def _cancel(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _next_block(requests: Any) -> list[Request]:
    return [request for _, request in zip(range(BLOCK_LINES), requests, strict=False)]
