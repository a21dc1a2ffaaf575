"""Keep the engine full: a window of requests over chunk and batch borders, no barrier.

claims ─▶ feeder ─▶ queue ─▶ W coroutines ─▶ engine.post ─▶ writer
               (turns)        ▲ cancelled one by one when their batch stops;
                                all at once, and replayed, when the engine dies
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from math import inf

from batches import claims, outcomes
from batches.exceptions import Fenced
from batches.models import Chunk
from batches.outcomes import Outcome
from vllm_batch.lib.conf import conf
from workers.database import DatabaseThread
from workers.engines.base import Engine, EngineDead
from workers.gpu.watch import CardWatch
from workers.running import healing, leases
from workers.running.feeding import Feeder
from workers.running.flight import Flights, Rebuild
from workers.running.folding import Folding
from workers.running.healing import Part
from workers.running.logbook import Logbook
from workers.running.pace import Pace
from workers.running.reading import ChunkInHand, Request
from workers.running.window import Window
from workers.running.writer import Writer
from workers.slots.pausing import Pausing
from workers.slots.pulse import Pulse

logger = logging.getLogger(__name__)

WATCH_SECONDS = 0.5


class Runner:
    """Runs the chunks of one model on one started engine until none is left.

    `is_over` is asked before each request is queued; once true, nothing new starts and
    what is in flight has `WORKER_DRAIN_SECONDS` to end. Without `rebuild`, an engine
    that dies ends the run.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        owner: str,
        pulse: Pulse,
        is_over: Callable[[], bool],
        rebuild: Rebuild | None = None,
        card: CardWatch | None = None,
        urgent_until: Callable[[], float] = lambda: -inf,
    ) -> None:
        self._pulse = pulse
        self._pausing = Pausing(engine.model, pulse, card)
        self._is_over: Callable[[], bool] = lambda: is_over() or self._pausing.is_over
        self._flights = Flights(engine, pulse, rebuild)
        self._window = Window(lambda: self._flights.engine, self._work)
        self._queue: asyncio.Queue[Request] = asyncio.Queue()
        # What the feeder may put into the queue; what comes back is not held up.
        self._places = asyncio.Semaphore(max(16, self._window.size // 4))
        self._held: set[ChunkInHand] = set()
        self._suspects: Part = []
        # Who holds this replays requests, with nothing else in flight.
        self._alone = asyncio.Lock()
        self._folding = Folding()
        pace, durations = Pace(engine.model), self._flights.durations
        self._writer = Writer(self._held, self._lose, pace, durations)
        self._thread = DatabaseThread("watch")
        self._feeder = Feeder(
            engine.model,
            owner=owner,
            held=self._held,
            is_over=self._is_over,
            offer=self._offer,
            run_carefully=self._run_carefully,
            note=self._writer.note,
            admit=Logbook(engine, owner).admit,
            pausing=self._pausing,
            urgent_until=urgent_until,
        )

    async def run(self) -> None:
        """Run until there is nothing more to claim.

        Raises EngineDead or EngineStartFailed if the engine is gone for good.
        """
        with self._pulse.keeping(self._held):
            await self._run()

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        start = self._loop.create_task
        workers = self._window.open()
        feeder, healer = start(self._feeder.run()), start(self._heal())
        watch, writer = start(self._watch()), start(self._writer.run())
        pausing = start(self._pausing.watch(self._flights, self._is_over))
        try:
            await _until_first(feeder, healer, watch, writer, pausing, *workers)
            await self._drain(healer, *workers)
        finally:
            self._flights.close()
            await _cancel([feeder, healer, watch, pausing, *workers])
            self._abandon()
            self._writer.close()
            await writer
            await self._feeder.close()
            await self._thread.close()

    async def _drain(self, *tasks: asyncio.Task[None]) -> None:
        while not self._queue.empty():
            self._queue.get_nowait().chunk.outstanding -= 1
        deadline = self._loop.time() + conf().WORKER_DRAIN_SECONDS
        while self._flights and not any(task.done() for task in tasks):
            left = deadline - self._loop.time()
            if left <= 0:
                return
            await asyncio.sleep(min(0.05, left))

    def _abandon(self) -> None:
        """Let the lines still out be run again by whoever claims their chunk next."""
        for chunk in self._held:
            chunk.is_read = True
            chunk.outstanding = 0

    async def _offer(self, request: Request) -> None:
        await self._places.acquire()
        if request.chunk.stopped:  # while this waited
            self._settle(self._taken(request), None)
        else:
            self._queue.put_nowait(request)

    async def _work(self, place: float) -> None:
        while True:
            await self._writer.room()
            await self._flights.door.wait()
            await self._pausing.turn(place)
            request = self._taken(await self._queue.get())
            if not self._flights.door.is_set() or not self._pausing.is_open:
                self._queue.put_nowait(request)  # it closed while this one waited
            elif request.chunk.stopped:
                self._settle(request, None)
            else:
                await self._carry(request)

    def _taken(self, request: Request) -> Request:
        """Give a request's place in the queue to the feeder again."""
        if request.is_fresh:
            request.is_fresh = False
            self._places.release()
        return request

    async def _carry(self, request: Request) -> None:
        known = self._folding.follow(request)
        if known is True:
            return  # its leader's coroutine answers for it
        if known:
            self._finish(request, known, is_folded=True)
            return
        try:
            self._settle(request, await self._flights.fly(request))
        except EngineDead as death:
            self._suspects.append(request)
            for follower in self._folding.lead_ended(request, None):
                self._queue.put_nowait(follower)
            self._flights.declare_dead(death)

    def _settle(self, request: Request, outcome: Outcome | None) -> None:
        """Note what became of a request that ran, and of those that wait for it."""
        followers = self._folding.lead_ended(request, outcome)
        if outcome is None:
            request.chunk.outstanding -= 1
            self._writer.note(request.chunk)
        else:
            self._finish(request, outcome)
        for follower in followers:
            if outcome is not None and outcome.is_success:
                self._finish(follower, outcome, is_folded=True)
            else:
                self._queue.put_nowait(follower)

    def _finish(
        self, request: Request, outcome: Outcome, *, is_folded: bool = False
    ) -> None:
        request.settle(outcome, is_folded=is_folded)
        self._pulse.count()
        request.chunk.outstanding -= 1
        self._writer.note(request.chunk)

    async def _heal(self) -> None:
        """Replace an engine that died, and find what it died of."""
        while True:
            await self._flights.died.wait()
            async with self._alone:
                await self._flights.land()
                suspects, self._suspects = self._suspects, []
                if self._flights.death is not None:
                    await self._flights.rebuild(self._flights.death)
                await self._replay(healing.in_parts(suspects))
                self._flights.died.clear()
                self._flights.door.set()

    async def _replay(self, parts: deque[Part]) -> None:
        await healing.replay(
            parts,
            play=self._flights.fly_together,
            rebuild=self._flights.rebuild,
            check=self._flights.check,
            settle=self._settle,
            blame=lambda request: self._settle(request, outcomes.crash()),
        )

    async def _run_carefully(
        self, chunk: Chunk, held: ChunkInHand, requests: list[Request]
    ) -> None:
        """Run a chunk whose holders vanished, alone and in small parts.

        What finished is durable before the next part starts, and a line that runs alone
        is noted before: if this process dies of it too, the next holder knows.
        """
        parts = healing.in_careful_parts(requests, chunk)
        held.outstanding += len(requests)
        async with self._alone:
            self._flights.door.clear()
            await self._flights.land()
            while parts and not held.stopped and not self._is_over():
                if not self._pausing.is_open:
                    await asyncio.sleep(WATCH_SECONDS)
                    continue
                await self._run_part(parts.popleft(), chunk)
                await self._writer.flush()
            held.outstanding -= sum(map(len, parts))
            if not self._flights.died.is_set():
                self._flights.door.set()

    async def _run_part(self, part: Part, chunk: Chunk) -> None:
        first = part[0]
        if claims.is_to_blame(chunk, first.number):
            self._settle(first, outcomes.crash())
            return
        if len(part) == 1:
            claim = first.chunk.claim
            await self._thread.patiently(claims.probe, claim, first.number)
        await self._replay(deque([part]))

    async def _watch(self) -> None:
        """Stop the lines of batches that were cancelled, paused or have expired."""
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            self._flights.check_progress()
            if self._flights.door.is_set():  # else there may be no engine to ask
                self._window.grow()
            if self._pausing.is_open:
                self._flights.count_starving(WATCH_SECONDS, self._window.places)
            ids = {chunk.claim.batch_id for chunk in self._held}
            if not ids:
                continue
            stopped = await self._thread.patiently(leases.stopped_batches, ids)
            for chunk in list(self._held):
                if (stop := stopped.get(chunk.claim.batch_id)) is None:
                    continue
                if stop.is_pause:
                    self._pause(chunk, stop.cause)
                elif not chunk.stopped or chunk.is_pausing:
                    self._stop(chunk, stop.cause)

    def _pause(self, chunk: ChunkInHand, cause: str) -> None:
        """Start nothing more of a chunk; what is in flight ends, and counts."""
        if not chunk.stopped:
            chunk.stopped, chunk.is_pausing = cause, True
            self._writer.note(chunk)

    def _stop(self, chunk: ChunkInHand, cause: str) -> None:
        chunk.stopped, chunk.is_pausing = cause, False
        self._flights.cancel(chunk)
        for _ in range(self._queue.qsize()):  # the slot may pause for long
            request = self._taken(self._queue.get_nowait())
            if request.chunk is chunk:
                self._settle(request, None)
            else:
                self._queue.put_nowait(request)
        self._writer.note(chunk)

    def _lose(self, chunk: ChunkInHand) -> None:
        """Give up a chunk that is ours no more; called from the writer's thread."""
        self._loop.call_soon_threadsafe(self._stop, chunk, Fenced.__name__)


async def _until_first(*tasks: asyncio.Task[None]) -> None:
    """Return when the feeder is through, or raise what broke any of the tasks."""
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        await task


async def _cancel(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
