"""The requests that are out at the engine, and what happens to them when it dies."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import cast

from batches.outcomes import Outcome
from vllm_batch.lib.conf import conf
from vllm_batch.lib.logs import work
from workers import metrics
from workers.engines.base import (
    Engine,
    EngineDead,
    EngineStartFailed,
    EngineUnreachable,
)
from workers.running.asking import ask
from workers.running.healing import Part
from workers.running.least_request import least_request
from workers.running.reading import ChunkInHand, Request
from workers.slots.pulse import Pulse

logger = logging.getLogger(__name__)

# Replaces an engine that died; raises EngineStartFailed if it does not come up again.
Rebuild = Callable[[EngineDead], Awaitable[Engine]]


class Flights:
    """Sends requests through a door that is closed while the engine is replaced."""

    def __init__(self, engine: Engine, pulse: Pulse, rebuild: Rebuild | None) -> None:
        self.engine = engine
        self.death: EngineDead | None = None
        self.door = asyncio.Event()
        self.door.set()
        # Set by a death that nobody deals with yet.
        self.died = asyncio.Event()
        self._pulse = pulse
        self._rebuild = rebuild
        self._tasks: dict[Request, asyncio.Task[object]] = {}
        self._is_closing = False
        self._mark: tuple[int, int | None] = (0, None)
        self._moved_at = 0.0
        self.durations = metrics.Durations()

    def __len__(self) -> int:
        return len(self._tasks)

    async def fly(self, request: Request) -> Outcome | None:
        """Return the outcome, None if the batch stopped; raises EngineDead."""
        if request.chunk.stopped:
            return None
        task = cast("asyncio.Task[object]", asyncio.current_task())
        self._tasks[request] = task
        self._pulse.in_flight = len(self._tasks)
        work.set(request.chunk.work)
        started = time.monotonic()
        try:
            outcome = await ask(
                self.engine, request.url, request.body, self._pulse.wait
            )
            self.durations.add(time.monotonic() - started)
            return outcome
        except asyncio.CancelledError:
            death, is_stopped = self.death, bool(request.chunk.stopped)
            if self._is_closing or not (death or is_stopped):
                raise
            # Only this line was cancelled, not the coroutine that carries it.
            task.uncancel()
            if death is not None:
                raise death from None
            return None
        finally:
            del self._tasks[request]
            self._pulse.in_flight = len(self._tasks)

    async def fly_together(self, part: Part) -> list[Outcome | EngineDead | None]:
        """Fly a part of the suspects; EngineDead stands for each one it was lost on."""

        async def fly(request: Request) -> Outcome | EngineDead | None:
            try:
                return await self.fly(request)
            except EngineDead as death:
                self.declare_dead(death)
                return death

        return await asyncio.gather(*map(fly, part))

    def declare_dead(self, death: EngineDead) -> None:
        """Stop using the engine: whoever is out becomes a suspect."""
        self.death = death
        metrics.DEATHS.labels(self.engine.model).inc(self.door.is_set())
        if self.door.is_set():
            self.door.clear()
            self.died.set()
        for task in list(self._tasks.values()):
            task.cancel()

    async def rebuild(self, death: EngineDead) -> None:
        """Replace the engine, or raise what it died of if nobody can."""
        if self._rebuild is None:
            raise death
        self.engine = await self._rebuild(death)
        self.death = None

    async def check(self, url: str) -> None:
        """Raise EngineStartFailed if the engine dies of the smallest request too."""
        post = self.engine.post(url, least_request(url, self.engine.model))
        try:
            await asyncio.wait_for(post, conf().ENGINE_STALL_SECONDS)
        except (EngineDead, TimeoutError) as error:
            raise EngineStartFailed(
                f"the engine of {self.engine.model} starts, and dies of any request"
                f" ({error or 'it hangs'}); see the worker's log"
            ) from error
        except EngineUnreachable:
            return

    async def land(self) -> None:
        """Wait until nothing is out."""
        while self._tasks:
            await asyncio.sleep(0.005)

    def cancel(self, chunk: ChunkInHand) -> None:
        """Call back what is out of a chunk that was stopped."""
        for request, task in list(self._tasks.items()):
            if request.chunk is chunk:
                task.cancel()

    def count_starving(self, seconds: float, places: int) -> None:
        """Count time in which the engine could do more than it is asked for."""
        if self.door.is_set() and len(self._tasks) < places:
            metrics.STARVED.labels(self.engine.model).inc(seconds)

    def close(self) -> None:
        """From now on a cancelled request ends the coroutine that carries it."""
        self._is_closing = True

    def check_progress(self) -> None:
        """Declare an engine dead that has requests and stands still: it hangs (P6)."""
        if reason := self.engine.waits_for():
            self._pulse.wait(reason)
        self._pulse.servers = self.engine.report()
        mark = (self._pulse.done, self.engine.progress())
        now = asyncio.get_running_loop().time()
        if mark != self._mark or mark[1] is None or not self._tasks:
            self._mark, self._moved_at = mark, now
            self._pulse.move()
        elif now - self._moved_at > conf().ENGINE_STALL_SECONDS and not self.death:
            self._moved_at = now
            self.declare_dead(EngineDead("the engine made no progress for too long"))
