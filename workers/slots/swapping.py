"""The engines of one slot: one awake, some asleep, the rest not there."""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any, Literal

from vllm_batch.lib.conf import conf
from workers import metrics
from workers.database import DatabaseThread
from workers.engines import engine_names, make_engine
from workers.engines.base import Engine, EngineError, EngineStartFailed
from workers.models import ServedModel
from workers.served import model_actions
from workers.served.arguments import arguments_of, keep_template
from workers.slots import room

logger = logging.getLogger(__name__)

# Memory of a process that has just ended is free a moment later.
RELEASE_SECONDS, RELEASE_POLL_SECONDS = 10.0, 0.2
Key = tuple[Any, ...]


class Garage:
    """Loads, wakes, puts to sleep and stops the engines of a slot.

    An engine that may have to wait for its next turn sleeps, if it can and there is
    room: at most WORKER_SLEEPING_MODELS at once, the longest unused one goes first.
    Whatever goes wrong with sleeping, the engine is stopped and loaded anew.
    """

    def __init__(
        self, thread: DatabaseThread, tell_loading: Callable[[str], None]
    ) -> None:
        self.awake: Engine | None = None
        self._key: Key = ()
        # The longest unused one first.
        self._asleep: dict[Key, Engine] = {}
        self._thread = thread
        self._tell_loading = tell_loading

    @property
    def model(self) -> str:
        """The name of the model that can answer now, or empty."""
        return self.awake.model if self.awake else ""

    @property
    def is_empty(self) -> bool:
        """Tell whether no engine, not even a sleeping one, has a part of the GPU."""
        return self.awake is None and not self._asleep

    @property
    def asleep(self) -> set[str]:
        """The names of the models that only have to be woken."""
        return {key[0] for key in self._asleep}

    async def engine_for(self, model: ServedModel) -> Engine:
        """Return the model's engine, ready to answer; raises EngineStartFailed."""
        key = _key(model)
        if self.awake is not None and self._key == key:
            return self.awake
        await self._put_away(besides=key)
        self._tell_loading(model.name)
        for other in [k for k in self._asleep if k[0] == model.name and k != key]:
            await self._asleep.pop(other).stop()  # its arguments have changed
        if key in self._asleep and await self._wake(model, key):
            return self._asleep_no_more(key)
        try:
            return await self._load(model, key)
        except EngineStartFailed:
            metrics.LOAD_FAILURES.labels(model.name).inc()
            raise

    async def drop(self) -> None:
        """Stop the engine that is awake."""
        engine, self.awake, self._key = self.awake, None, ()
        if engine is not None:
            await engine.stop()

    async def close(self) -> None:
        """Stop all engines."""
        await self.drop()
        while self._asleep:
            await self._stop_oldest()

    async def _put_away(self, besides: Key) -> None:
        """Let the engine that is awake sleep, or stop it; `besides` is wanted next."""
        most = conf().WORKER_SLEEPING_MODELS
        engine, key = self.awake, self._key
        if engine is None:
            return
        if not most or not await engine.health():
            await self.drop()
            return
        others = [other for other in self._asleep if other != besides]
        for other in others[: len(others) + 1 - most]:
            await self._asleep.pop(other).stop()
        if await _lull(engine):
            self.awake, self._key = None, ()
            self._asleep[key] = engine
        else:
            await self.drop()

    async def _wake(self, model: ServedModel, key: Key) -> bool:
        engine, started = self._asleep[key], time.monotonic()
        try:
            await asyncio.wait_for(engine.wake(), conf().ENGINE_START_SECONDS)
        except (EngineError, TimeoutError) as error:
            logger.warning("%s does not wake and is loaded anew: %s", model.name, error)
            await self._asleep.pop(key).stop()
            return False
        await self._learn(model, "wake_seconds", started)
        return True

    def _asleep_no_more(self, key: Key) -> Engine:
        self.awake, self._key = self._asleep.pop(key), key
        return self.awake

    async def _load(self, model: ServedModel, key: Key) -> Engine:
        logger.info("loading %s", model.name)
        metrics.expect(model.name)
        engine = _build(model)
        await self._make_room(engine)
        self.awake, self._key = engine, key
        started, seconds = time.monotonic(), conf().ENGINE_START_SECONDS
        try:
            await asyncio.wait_for(engine.start(), seconds)
        except TimeoutError:
            await self.drop()
            raise EngineStartFailed(
                f"{model.name} was not ready after {seconds} s: raise"
                " ENGINE_START_SECONDS or see the log."
            ) from None
        except BaseException:
            # One whose start failed, or was broken off, can answer nothing.
            await self.drop()
            raise
        await self._learn(model, "load_seconds", started)
        return engine

    async def _make_room(self, engine: Engine) -> None:
        """See to it that the GPU has room, as far as sleeping engines take it."""
        if (share := engine.gpu_share()) is None:
            return
        weights, ends_at = engine.weight_bytes(), time.monotonic() + RELEASE_SECONDS
        while (memory := await _gpu_memory()) is not None:
            refusal = room.refusal(memory, share, weights)
            if refusal is None:
                return
            is_late = time.monotonic() > ends_at
            if refusal.is_lasting or (is_late and not self._asleep):
                raise refusal
            if self._asleep:
                await self._stop_oldest()
            else:
                await asyncio.sleep(RELEASE_POLL_SECONDS)

    async def _stop_oldest(self) -> None:
        await self._asleep.pop(next(iter(self._asleep))).stop()

    async def _learn(
        self,
        model: ServedModel,
        field: Literal["load_seconds", "wake_seconds"],
        started: float,
    ) -> None:
        seconds = time.monotonic() - started
        logger.info("%s: %s %.1f", model.name, field, seconds)
        way = field.removesuffix("_seconds")
        metrics.SWAPS.labels(model.name, way).observe(seconds)
        await self._thread.patiently(model_actions.learn, model, field, seconds)


def _key(model: ServedModel) -> Key:
    return (model.name, model.engine, model.source, repr(arguments_of(model)))


def _build(model: ServedModel) -> Engine:
    if model.engine not in engine_names():
        raise EngineStartFailed(
            f"there is no engine '{model.engine}': engines are"
            f" {', '.join(engine_names())} (ENGINES)",
            is_lasting=True,
        )
    keep_template(model)
    return make_engine(
        model.engine,
        model=model.name,
        source=model.source,
        engine_args=arguments_of(model),
    )


async def _gpu_memory() -> room.GpuMemory | None:
    """Ask the driver, unless it hangs."""
    asked = asyncio.to_thread(room.gpu_memory)
    try:
        return await asyncio.wait_for(asked, RELEASE_SECONDS)
    except TimeoutError:
        logger.warning("NVML does not answer: the GPU's memory is not checked")
        return None


async def _lull(engine: Engine) -> bool:
    """Let an engine sleep as lightly as the machine's memory allows."""
    for level in room.sleep_levels(engine.weight_bytes(), room.free_ram_bytes()):
        try:
            if await asyncio.wait_for(engine.sleep(level), conf().ENGINE_STALL_SECONDS):
                logger.info("%s sleeps at level %d", engine.model, level)
                return True
        except TimeoutError:
            logger.warning("%s does not fall asleep", engine.model)
            return False
    return False
