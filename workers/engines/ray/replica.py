"""One replica: an engine inside an actor, on whatever node Ray puts it.

Runs on the cluster's nodes, without a database and without this project's settings
but for those the worker sends along.
"""

import asyncio
import logging
import os
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from vllm_batch.lib.metric_files import FOLDER
from workers.engines.base import (
    Engine,
    EngineDead,
    EngineStartFailed,
    EngineUnreachable,
)
from workers.engines.ray.blocks import (
    BEAT_SECONDS,
    BLOCK_BYTES,
    LINGER_SECONDS,
    NO_ANSWER,
    Beat,
    Facts,
    Refusal,
    Reply,
    Request,
    Spec,
)

logger = logging.getLogger(__name__)

# From saying that it leaves until it does: the worker may be in the middle of a call.
LEAVING_SECONDS = 2.0
# Between two texts of metrics; once it is idle, the last one follows sooner.
METRICS_SECONDS, LAST_METRICS_SECONDS = 10.0, 0.5


class Replica:
    """An actor. All its methods are asynchronous: Ray lets many run at once."""

    def __init__(self, spec: Spec) -> None:
        self._spec = spec
        self._engine: Engine | None = None
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._replies: list[Reply] = []
        self._bell = asyncio.Event()
        self._death = ""
        self._is_spare = self._is_leaving = False
        self._used_at = time.monotonic()
        self._metrics_at = 0.0
        self._answered = self._counted = 0

    async def start(self) -> Facts | Refusal:
        """Load the model."""
        _configure(self._spec)
        from django.utils.module_loading import import_string

        self._engine = import_string(self._spec.engine)(
            model=self._spec.model,
            source=self._spec.source,
            engine_args=_with_texts(self._spec),
        )
        try:
            await self._engine.start()
        except EngineStartFailed as error:
            return Refusal(str(error), error.is_lasting)
        self._used_at = time.monotonic()
        self._idling = asyncio.create_task(self._leave_when_idle())
        return Facts(
            self._engine.concurrency, self._engine.manifest(), *_place(self._spec)
        )

    async def push(self, block: list[Request], given_up: list[int]) -> bool:
        """Take a block of requests and abort others; False if it takes no more."""
        for number in given_up:
            if task := self._tasks.pop(number, None):
                task.cancel()
        if block and self._is_leaving:
            return False
        for number, url, body in block:
            self._tasks[number] = asyncio.create_task(self._answer(number, url, body))
        self._used_at = time.monotonic()
        return True

    async def _answer(self, number: int, url: str, body: bytes) -> None:
        try:
            answer = await self._running().post(url, body)
            seconds, tries = answer.retry_after, answer.attempts
            reply: Reply = (number, answer.status, answer.body, seconds, tries)
        except EngineUnreachable as error:
            reply = (number, NO_ANSWER, str(error).encode(), None, error.attempts)
        except EngineDead as death:
            self._death = str(death) or "its engine died"
            self._bell.set()
            return
        except Exception:  # a bug in an engine harms one line
            logger.exception("the engine failed on a request")
            reply = (number, 500, b"", None, 1)
        finally:
            self._tasks.pop(number, None)
        self._replies.append(reply)
        self._answered += 1
        self._bell.set()

    def _running(self) -> Engine:
        if self._engine is None:
            raise EngineDead("its engine is stopped")
        return self._engine

    async def pull(self, is_spare: bool) -> Beat:
        """Return answers as soon as there are some, and a sign of life at the latest.

        `is_spare`: it may leave once it has been idle for long.
        """
        self._is_spare = is_spare
        if not (self._replies or self._death or self._is_leaving):
            self._bell.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._bell.wait(), self._patience())
        if self._tasks and len(self._replies) < self._spec.block_lines:
            await asyncio.sleep(LINGER_SECONDS)
        progress = self._engine.progress() if self._engine else None
        replies = self._take()
        metrics = self._metrics()
        return Beat(replies, progress, self._death, self._is_leaving, metrics)

    def _patience(self) -> float:
        """Return how long to wait for something to tell."""
        has_counted = self._has_metrics and self._counted != self._answered
        return LAST_METRICS_SECONDS if has_counted else BEAT_SECONDS

    @property
    def _has_metrics(self) -> bool:
        return bool(self._spec.settings["WORKER_VLLM_METRICS"])

    def _take(self) -> list[Reply]:
        """Take what makes a block: many answers, or large ones."""
        size = count = 0
        for reply in self._replies[: 4 * self._spec.block_lines]:
            size, count = size + len(reply[2]), count + 1
            if size >= BLOCK_BYTES:
                break
        taken, self._replies = self._replies[:count], self._replies[count:]
        return taken

    def _metrics(self) -> bytes:
        """Return what vLLM has counted, now and then."""
        if not self._has_metrics:
            return b""
        is_last = not self._tasks and self._counted != self._answered
        seconds = time.monotonic() - self._metrics_at
        if seconds < (LAST_METRICS_SECONDS if is_last else METRICS_SECONDS):
            return b""
        self._metrics_at, self._counted = time.monotonic(), self._answered
        from prometheus_client import REGISTRY, generate_latest

        return generate_latest(REGISTRY)

    async def health(self) -> bool:
        """Ask the engine."""
        return self._engine is not None and await self._engine.health()

    async def _leave_when_idle(self) -> None:
        """Free the GPU, though the worker may not look: it sleeps between runs."""
        while True:
            await asyncio.sleep(min(1.0, self._spec.idle_seconds / 4))
            is_idle = not (self._tasks or self._replies)
            seconds = time.monotonic() - self._used_at
            if is_idle and self._is_spare and seconds > self._spec.idle_seconds:
                break
            if not is_idle:
                self._used_at = time.monotonic()
        self._is_leaving = True
        self._bell.set()
        await asyncio.sleep(LEAVING_SECONDS)
        await self.stop()
        _end_actor()

    async def stop(self) -> None:
        """Free what the engine took."""
        engine, self._engine = self._engine, None
        for task in list(self._tasks.values()):
            task.cancel()
        if engine is not None:
            await engine.stop()


def _configure(spec: Spec) -> None:
    """Give this process the settings an engine asks for, and no others."""
    from django.conf import settings

    os.environ.update(spec.environ)
    # On the worker's own machine: what is counted is sent, not left in its folder.
    os.environ.pop(FOLDER, None)
    if not settings.configured:
        from vllm_batch.environment import Environment

        known = Environment().model_copy(update=spec.settings)
        settings.configure(VLLM_BATCH=known)


def _with_texts(spec: Spec) -> dict[str, Any]:
    """Return the arguments, with files of this node where they name the worker's."""
    arguments = dict(spec.engine_args)
    for name, text in spec.texts.items():
        folder = Path(tempfile.mkdtemp(prefix="vllm_batch."))
        path = folder / Path(str(arguments[name])).name
        path.write_text(text, encoding="utf-8")
        arguments[name] = str(path)
    return arguments


def _place(spec: Spec) -> tuple[str, str]:
    """Return this node's address and the name of its accelerator."""
    import ray

    node_id = ray.get_runtime_context().get_node_id()
    for node in ray.nodes():
        if node["NodeID"] == node_id:
            names = [
                name.partition(":")[2]
                for name in node["Resources"]
                if name.startswith("accelerator_type:")
            ]
            return str(node["NodeManagerAddress"]), "".join(names[: spec.has_gpu])
    return node_id, ""


def _end_actor() -> None:
    import ray

    context = ray.get_runtime_context()
    if group := ray.util.get_current_placement_group():
        ray.util.remove_placement_group(group)
    ray.kill(context.current_actor)
