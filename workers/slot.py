"""One GPU slot inside the queue's worker process: an engine that stays warm."""

import asyncio
import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from multiprocessing.util import Finalize
from typing import Any

from django.conf import settings

from batches.actions import ring_workers
from vllm_batch.lib.conf import conf
from vllm_batch.lib.ids import new_id
from workers import leases
from workers.database import DatabaseThread
from workers.engines import make_engine
from workers.engines.base import Engine, EngineDead, EngineStartFailed
from workers.hosts import gpu_name
from workers.models import Heartbeat, ServedModel
from workers.pulse import Pulse
from workers.runner import Runner
from workers.scheduling import next_model

logger = logging.getLogger(__name__)

# The supervisor holds the other end: when it closes it, or dies, this end tells.
DRAIN_FD = "WORKER_DRAIN_FD"
PRELOAD = "WORKER_PRELOAD"
COOLING_SECONDS = 60.0
# Engines that die one after the other are replaced after growing pauses.
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 1.0, 300.0
LOOK_SECONDS = 2.0


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
        # One loop for the life of the process: an engine belongs to its loop.
        self._loop = asyncio.Runner()
        self._engine: Engine | None = None
        self._loaded: tuple[Any, ...] = ()
        # Models that failed a moment ago, until when, and why the last one did.
        self._cooling: dict[str, float] = {}
        self._failure = ""
        self._deaths, self._done_at_death = 0, -1
        self._thread = DatabaseThread("slot")
        self._pulse = Pulse(name, self.owner)
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
        self._loop.run(self._unload())
        self._loop.run(self._thread.close())
        self._loop.close()
        self._pulse.end()

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
                await self._unload()
            else:
                self._pulse.tell(
                    Heartbeat.State.IDLE,
                    model=self._loaded_name,
                    reason=self._failure if self._cooling else "",
                )

    async def _preload(self) -> None:
        """Load the model that is to be warm before its first batch comes."""
        name, self._to_preload = self._to_preload, ""
        model = await self._thread.call(_find, name) if name else None
        if model is not None:
            await self._load(model)

    @property
    def _loaded_name(self) -> str:
        return self._engine.model if self._engine else ""

    async def _choose(self) -> ServedModel | None:
        now = time.monotonic()
        self._cooling = {m: t for m, t in self._cooling.items() if t > now}
        waiting = await self._thread.call(leases.waiting_models)
        name = next_model(
            self._loaded_name or None,
            waiting,
            cooling=self._cooling,
            turn_is_over=self._others_wait,
        )
        return await self._thread.call(_find, name) if name else None

    async def _serve_model(self, model: ServedModel, ends_at: float) -> None:
        """Load the model if need be and run its chunks for one turn."""
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
                self._is_draining or self._others_wait or time.monotonic() > ends_at
            ),
            rebuild=partial(self._rebuild, model),
        )
        try:
            await runner.run()
        except EngineStartFailed as error:
            await self._unload()
            self._cool(model, error)
        finally:
            looker.cancel()

    async def _rebuild(self, model: ServedModel, death: EngineDead) -> Engine:
        """Replace an engine that died; several deaths without a result slow it down."""
        has_progress = self._pulse.done != self._done_at_death
        self._deaths = 1 if has_progress else self._deaths + 1
        self._done_at_death = self._pulse.done
        logger.warning("the engine of %s died: %s", model.name, death)
        reason = f"the engine died ({death}) and is built again"
        self._pulse.tell(Heartbeat.State.LOADING, model=model.name, reason=reason)
        await self._unload()
        if self._deaths > 2:
            pause = FIRST_PAUSE_SECONDS * 2.0 ** (self._deaths - 3)
            await self._pause(min(pause, LONGEST_PAUSE_SECONDS))
        engine = await self._engine_for(model)
        self._pulse.tell(Heartbeat.State.RUNNING, model=model.name)
        return engine

    async def _pause(self, seconds: float) -> None:
        ends_at = time.monotonic() + seconds
        while time.monotonic() < ends_at:
            if self._is_draining:
                raise EngineStartFailed("the worker drains")
            await asyncio.sleep(0.1)

    async def _load(self, model: ServedModel) -> Engine | None:
        """Return the model's engine, or None and leave the model alone for a while."""
        try:
            return await self._engine_for(model)
        except EngineStartFailed as error:
            self._cool(model, error)
            return None

    def _cool(self, model: ServedModel, error: EngineStartFailed) -> None:
        """Leave a model alone that does not load; others go on."""
        logger.error("model %s did not load: %s", model.name, error)
        self._cooling[model.name] = time.monotonic() + COOLING_SECONDS
        self._failure = str(error)

    async def _look_for_others(self, name: str) -> None:
        """Note when the model's turn is over and another one waits for the GPU."""
        await asyncio.sleep(conf().WORKER_QUANTUM_SECONDS)
        while True:
            waiting = await self._thread.call(leases.waiting_models)
            if any(model != name and model not in self._cooling for model in waiting):
                self._others_wait = True
                return
            await asyncio.sleep(LOOK_SECONDS)

    async def _engine_for(self, model: ServedModel) -> Engine:
        wanted = (model.name, model.engine, model.source, repr(model.engine_args))
        if self._engine is not None and self._loaded == wanted:
            return self._engine
        await self._unload()
        self._pulse.tell(Heartbeat.State.LOADING, model=model.name)
        logger.info("loading %s", model.name)
        engine = make_engine(
            model.engine,
            model=model.name,
            source=model.source,
            engine_args=model.engine_args,
        )
        self._engine, self._loaded = engine, wanted
        try:
            await asyncio.wait_for(engine.start(), conf().ENGINE_START_SECONDS)
        except TimeoutError:
            await self._unload()
            raise EngineStartFailed(
                f"{model.name} was not ready after {conf().ENGINE_START_SECONDS} s:"
                " raise ENGINE_START_SECONDS or see the log."
            ) from None
        except EngineStartFailed:
            await self._unload()
            raise
        return engine

    async def _unload(self) -> None:
        engine, self._engine, self._loaded = self._engine, None, ()
        if engine is not None:
            await engine.stop()

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
