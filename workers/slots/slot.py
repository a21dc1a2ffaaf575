"""One GPU slot inside the queue's worker process: an engine that stays warm."""

import asyncio
import logging
import math
import os
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from multiprocessing.util import Finalize

from django.conf import settings

from batches.actions import ring_workers
from vllm_batch.lib.conf import conf
from vllm_batch.lib.ids import new_id
from workers.database import AWAY, DatabaseThread
from workers.engines.base import (
    Engine,
    EngineDead,
    EngineStartFailed,
    GpuTaken,
)
from workers.hosts import gpu_name
from workers.models import Heartbeat, ServedModel
from workers.running.runner import Runner
from workers.scheduling.choosing import Chooser
from workers.scheduling.policy import Turn
from workers.served import model_actions
from workers.slots.pausing import until_fit, watch_card
from workers.slots.pulse import Pulse
from workers.slots.swapping import Garage

logger = logging.getLogger(__name__)

# The supervisor holds the other end: when it closes it, or dies, this end tells.
DRAIN_FD = "WORKER_DRAIN_FD"
PRELOAD = "WORKER_PRELOAD"
COOLING_SECONDS = 60.0
# Engines that die one after the other are replaced after growing pauses.
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 1.0, 300.0
LOOK_SECONDS = 2.0
# Workers that want the same model at the same time agree after so many tries.
MOST_TRIES = 3


class Slot:
    """Serves one model after another; lives as long as the worker's process."""

    def __init__(
        self, name: str, drain_fd: int | None = None, preload: str = ""
    ) -> None:
        # Long names may end early: the rest tells workers apart.
        self.owner = f"{gpu_name(name)[:100]}:{os.getpid()}:{new_id('')[:8]}"
        self._drain_fd = drain_fd
        self._to_preload = preload
        self._is_draining = False
        self._others_wait = False
        self._chooser = Chooser(name, self.owner)
        # Why it waits though something is there to do, and when its turn is over.
        self._idle_reason = ""
        self._turn_ends_at = math.inf
        # One loop for the life of the process: an engine belongs to its loop.
        self._loop = asyncio.Runner()
        # Models that failed a moment ago, until when, and why the last one did.
        self._cooling: dict[str, float] = {}
        # How often each one failed since it last ran.
        self._failures: Counter[str] = Counter()
        self._failure = ""
        self._deaths, self._done_at_death = 0, -1
        self._thread = DatabaseThread("slot")
        self._garage = Garage(self._thread, self._tell_loading)
        self._card = watch_card(name, lambda: not self._garage.is_empty)
        self._pulse = Pulse(name, self.owner, self._card)
        self._pulse.start()
        # A multiprocessing child runs no atexit hooks, only its finalizers.
        self._finalizer = Finalize(self, self._close, exitpriority=100)

    def serve(self) -> None:
        """Work until nothing is left, the task's time is up, or the slot drains."""
        self._loop.run(self._serve())

    def close(self) -> None:
        """Stop the engine and the heartbeat; called by itself when the process ends."""
        self._finalizer()

    def _close(self) -> None:
        self._loop.run(self._garage.close())
        self._loop.run(self._thread.close())
        self._loop.close()
        self._pulse.end()
        self._card.end()

    async def _serve(self) -> None:
        ends_at = time.monotonic() + settings.GPU_TASK_SECONDS
        with self._watching_for_drain():
            await self._preload()
            while not self._is_draining and time.monotonic() < ends_at:
                model = await self._choose()
                if model is None:
                    break
                await self._serve_model(model, ends_at)
            else:
                await self._thread.call(ring_workers)
            if self._is_draining:
                self._pulse.tell(Heartbeat.State.DRAINING)
                await self._garage.close()
            elif self._chooser.closed:
                # Whoever has the machine now finds the GPU free.
                await self._garage.close()
                self._pulse.tell(Heartbeat.State.PAUSED, reason=self._chooser.closed)
            else:
                self._pulse.tell(
                    Heartbeat.State.IDLE,
                    model=self._garage.model,
                    reason=self._failure if self._cooling else self._idle_reason,
                )

    async def _preload(self) -> None:
        """Load the model that is to be warm before its first batch comes."""
        name, self._to_preload = self._to_preload, ""
        model = await self._thread.call(_find, name) if name else None
        if model is not None and await self._has_fit_card(model.name, math.inf):
            await self._load(model)

    async def _choose(self) -> ServedModel | None:
        """Return the model whose turn it is; None with a reason if it is nobody's.

        What is to be loaded is told to the other workers first. If one of them told the
        same at the same time, the policy is asked again with that in view.
        """
        now = time.monotonic()
        self._cooling = {m: t for m, t in self._cooling.items() if t > now}
        turn = await self._ask()
        for _ in range(MOST_TRIES):
            if not turn.model or turn.model == self._garage.model:
                break
            if self._chooser.workers == 1:
                break
            await self._thread.call(self._pulse.announce, turn.model)
            announced, turn = turn, await self._ask(is_announced=True)
            if turn.model == announced.model:
                break
        self._idle_reason = self._chooser.closed or turn.why
        self._turn_ends_at = time.monotonic() + turn.until
        if turn.model is None:
            return None
        if turn.model != self._garage.model:
            logger.info("the turn is %s's: %s", turn.model, turn.why)
        return await self._thread.call(_find, turn.model)

    async def _ask(self, **facts: bool) -> Turn:
        return await self._thread.call(
            self._chooser.choose,
            self._garage.model,
            cooling=self._cooling,
            asleep=self._garage.asleep,
            **facts,
        )

    async def _serve_model(self, model: ServedModel, ends_at: float) -> None:
        """Load the model if need be and run its chunks for one turn."""
        if not await self._has_fit_card(model.name, ends_at):
            return
        engine = await self._load(model)
        if engine is None:
            return
        self._pulse.tell(Heartbeat.State.RUNNING, model=model.name)
        self._others_wait = False
        looker = asyncio.create_task(self._look_for_others(model.name))
        self._deaths, self._done_at_death = 0, self._pulse.done
        runner = Runner(
            engine,
            owner=self.owner,
            pulse=self._pulse,
            is_over=lambda: (
                self._is_draining
                or self._others_wait
                or time.monotonic() > min(ends_at, self._turn_ends_at)
            ),
            urgent_until=lambda: self._chooser.urgent_until,
            rebuild=partial(self._rebuild, model),
            card=self._card,
        )
        try:
            await runner.run()
            self._failures.pop(model.name, None)
        except EngineStartFailed as error:
            await self._garage.drop()
            await self._note_failure(model, error)
        finally:
            looker.cancel()
            self._chooser.forget_count()

    async def _rebuild(self, model: ServedModel, death: EngineDead) -> Engine:
        """Replace an engine that died; several deaths without a result slow it down."""
        has_progress = self._pulse.done != self._done_at_death
        self._deaths = 1 if has_progress else self._deaths + 1
        self._done_at_death = self._pulse.done
        logger.warning("the engine of %s died: %s", model.name, death)
        # Before anything is stopped: the end of the run breaks this off.
        if not await self._has_fit_card(model.name, math.inf, empty_it=False):
            raise EngineStartFailed("the worker drains")
        reason = f"the engine died ({death}) and is built again"
        self._pulse.tell(Heartbeat.State.LOADING, model=model.name, reason=reason)
        await self._garage.drop()
        if self._deaths > 2:
            pause = FIRST_PAUSE_SECONDS * 2.0 ** (self._deaths - 3)
            await self._pause(min(pause, LONGEST_PAUSE_SECONDS))
        engine = await self._garage.engine_for(model)
        self._pulse.tell(Heartbeat.State.RUNNING, model=model.name)
        return engine

    async def _has_fit_card(
        self, name: str, ends_at: float, *, empty_it: bool = True
    ) -> bool:
        """Wait until the card may run the model; False if the slot's time is up first.

        A drained card is emptied meanwhile, for whoever comes to look after it.
        """
        return await until_fit(
            self._card,
            self._pulse,
            loaded=self._garage.model,
            wanted=name,
            is_over=lambda: self._is_draining or time.monotonic() > ends_at,
            unload=self._garage.close if empty_it else None,
        )

    async def _pause(self, seconds: float) -> None:
        ends_at = time.monotonic() + seconds
        while time.monotonic() < ends_at:
            if self._is_draining:
                raise EngineStartFailed("the worker drains")
            await asyncio.sleep(0.1)

    async def _load(self, model: ServedModel) -> Engine | None:
        """Return the model's engine, or None and leave the model alone for a while."""
        try:
            return await self._garage.engine_for(model)
        except EngineStartFailed as error:
            await self._note_failure(model, error)
            return None

    async def _note_failure(self, model: ServedModel, error: EngineStartFailed) -> None:
        """Leave a model alone that does not load, or switch it off; others go on."""
        if self._is_draining:
            return
        logger.error("model %s did not load: %s", model.name, error)
        self._failures[model.name] += not isinstance(error, GpuTaken)
        failures = self._failures[model.name]
        if error.is_lasting or failures >= conf().MODEL_LOAD_ATTEMPTS:
            del self._failures[model.name]
            if await self._thread.patiently(model_actions.disable, model, str(error)):
                return
        self._cooling[model.name] = time.monotonic() + COOLING_SECONDS
        self._failure = str(error)

    def _tell_loading(self, name: str) -> None:
        self._card.forget_errors()
        self._pulse.tell(Heartbeat.State.LOADING, model=name)

    async def _look_for_others(self, name: str) -> None:
        """Note when it is another model's turn, and learn this one's pace."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            self._chooser.note_done(name, self._pulse.done)
            try:
                turn = await self._ask(is_serving=True)
            except AWAY:
                continue  # nothing says that it is another one's turn
            if turn.model == name:
                self._turn_ends_at = time.monotonic() + turn.until
            elif turn.model is not None:
                self._others_wait = True
                return

    @contextmanager
    def _watching_for_drain(self) -> Iterator[None]:
        if self._drain_fd is None:
            yield
            return
        loop = asyncio.get_running_loop()
        loop.add_reader(self._drain_fd, self._drain)
        try:
            yield
        finally:
            loop.remove_reader(self._drain_fd)

    def _drain(self) -> None:
        self._is_draining = True
        if self._drain_fd is not None:
            asyncio.get_running_loop().remove_reader(self._drain_fd)


def _find(name: str) -> ServedModel | None:
    return ServedModel.objects.filter(name=name, is_enabled=True).first()
