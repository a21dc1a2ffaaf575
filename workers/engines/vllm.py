"""The real vLLM, in this process: its own app, called without a socket.

Every endpoint vLLM's server has works with vLLM's exact semantics, at `run-batch`'s
speed. vLLM's module paths move between releases: they are named in this file only,
and only inside functions, so that nothing else has to load vLLM.
"""

import asyncio
import gc
import json
import logging
import multiprocessing
import os
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from types import SimpleNamespace
from typing import Any

from vllm_batch.lib.conf import conf
from workers.engines.base import Answer, Engine, EngineDead, EngineStartFailed
from workers.engines.vllm_endpoints import Endpoints
from workers.engines.vllm_exchange import Exchange, scope_of
from workers.engines.vllm_failures import is_lasting, refuse_arguments
from workers.engines.vllm_logging import loggers_kept
from workers.engines.vllm_sleep import fall_asleep, wake_up, weight_bytes

logger = logging.getLogger(__name__)

# `run-batch` uses 128 and 2,048 (performance §0); batches want vLLM's offline values.
BATCH_DEFAULTS: dict[str, Any] = {
    "max_num_seqs": 256,
    "max_num_batched_tokens": 8192,
    "disable_log_stats": True,
}
# Without a GPU, vLLM would reserve 92 % of the machine's memory.
CPU_DEFAULTS: dict[str, Any] = {"gpu_memory_utilization": 0.2}
CPU_CACHE_GIB = "4"
# What vLLM takes of a GPU unless told otherwise.
GPU_SHARE = 0.92
CHILD_SECONDS = 15

App = Callable[..., Awaitable[None]]


class VllmEngine(Engine):
    """vLLM in process. `source` is a hub id or a folder.

    `engine_args` are `vllm serve`'s flags in snake_case: `{"max_model_len": 4096}`.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._stack = AsyncExitStack()
        self._client: Any = None
        self._app: App | None = None
        self._endpoints: Endpoints | None = None
        # Requests that were given up and are on their way out of the engine.
        self._leaving: set[asyncio.Task[None]] = set()
        self._steps = 0
        self._concurrency = 0
        # The arguments with our defaults, once they are parsed.
        self._values: dict[str, Any] = {}
        # The engine core's processes; other engines of the slot have their own.
        self._children: set[Any] = set()

    @property
    def concurrency(self) -> int:
        """VLLM's `max_num_seqs`; 0 until it is known, and kept when it stops."""
        return self._concurrency

    async def start(self) -> None:
        """Load the model; raises EngineStartFailed with vLLM's own reason."""
        before = set(multiprocessing.active_children())
        try:
            with loggers_kept():
                await self._start()
        except (Exception, SystemExit) as error:
            raise EngineStartFailed(
                f"vLLM did not start {self.model} from '{self.source}': {error}. The"
                " lines above in the worker's log say more; check the model's source"
                " and engine_args.",
                is_lasting=is_lasting(error),
            ) from error
        finally:
            self._children = set(multiprocessing.active_children()) - before

    async def _start(self) -> None:
        seconds = str(conf().ENGINE_START_SECONDS)
        os.environ.setdefault("VLLM_ENGINE_READY_TIMEOUT_S", seconds)
        # Nothing about the user's machine goes anywhere unless the user says so.
        os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
        from vllm.entrypoints.launchers.api_server.app_state import init_app_state
        from vllm.entrypoints.launchers.api_server.entry import (
            build_async_engine_client,
        )
        from vllm.entrypoints.launchers.app import build_app

        args = self._parse_args()
        self._client = await self._stack.enter_async_context(
            build_async_engine_client(args)
        )
        scheduler = self._client.vllm_config.scheduler_config
        self._concurrency = int(scheduler.max_num_seqs)
        tasks = await self._client.get_supported_tasks()
        app = build_app(args, tasks, self._client.model_config)
        await init_app_state(self._client, app.state, args, tasks)
        # vLLM's error handler wants a server to stop; there is none.
        app.state.server = SimpleNamespace(should_exit=False)
        self._count_steps()
        self._app, self._endpoints = app, Endpoints(app, scope_of)
        # What lives as long as the engine need not be looked at by each collection:
        # a quarter of the front end's CPU (vLLM's own server does the same).
        gc.collect()
        gc.freeze()

    def _count_steps(self) -> None:
        """Count what the engine core sends: each message is a step it has made."""
        core = self._client.engine_core
        receive = core.get_output_async

        async def counted() -> Any:
            outputs = await receive()
            self._steps += 1
            return outputs

        core.get_output_async = counted

    def _parse_args(self) -> Any:
        from vllm.entrypoints.launchers.cli_args import make_arg_parser
        from vllm.platforms import current_platform
        from vllm.utils.argparse_utils import FlexibleArgumentParser

        values = {**BATCH_DEFAULTS}
        if current_platform.is_cpu():
            os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", CPU_CACHE_GIB)
            values |= CPU_DEFAULTS
        if conf().WORKER_SLEEPING_MODELS and current_platform.is_sleep_mode_available():
            values["enable_sleep_mode"] = True
        if conf().WORKER_VLLM_METRICS:
            values["disable_log_stats"] = False
        values |= self.engine_args
        self._values = {**values}
        if not values.get("disable_log_stats"):
            values.pop("disable_log_stats", None)  # it has no --no- form
        parser = make_arg_parser(FlexibleArgumentParser())
        parser.exit = refuse_arguments
        flags = ["--model", self.source, "--served-model-name", self.model]
        return parser.parse_args([*flags, *flags_of(values)])

    async def post(self, url: str, body: bytes) -> Answer:
        """Answer one request; cancelling the call aborts it in the engine."""
        if self._app is None or self._endpoints is None:
            raise EngineDead(f"the engine of {self.model} is not started")
        answer = await self._call(self._endpoints, url, body)
        if answer is None and not self._client.errored:
            answer = await self._ask(self._app, url, body)
        if answer is None or self._client.errored:
            raise EngineDead(f"the engine core of {self.model} died")
        return answer

    async def _call(self, endpoints: Endpoints, url: str, body: bytes) -> Answer | None:
        """Call the endpoint's function, in a task of its own.

        vLLM turns a cancellation into an answer ("Client disconnected"), which must not
        be taken for the line's.
        """
        call = asyncio.ensure_future(endpoints.call(url, body))
        try:
            await asyncio.wait({call})
        except asyncio.CancelledError:
            call.cancel()
            self._let_leave(call)
            raise
        return call.result()

    async def _ask(self, app: App, url: str, body: bytes) -> Answer:
        """Send a request through vLLM's whole app."""
        exchange = Exchange(body)
        call = asyncio.ensure_future(
            app(scope_of(url, body), exchange.receive, exchange.send)
        )
        try:
            await asyncio.wait({call})
        except asyncio.CancelledError:
            self._give_up(call, exchange)
            raise
        if error := call.exception():
            logger.error("vLLM's app failed on %s", url, exc_info=error)
            return Answer(500, b"")
        return Answer(exchange.status, b"".join(exchange.parts))

    def _give_up(self, call: "asyncio.Future[None]", exchange: Exchange) -> None:
        """Let vLLM abort a request whose client is gone: it watches for that."""
        exchange.disconnect()
        self._let_leave(call)

    def _let_leave(self, call: "asyncio.Future[Any]") -> None:
        task = asyncio.ensure_future(_finish(call))
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)

    async def health(self) -> bool:
        """Tell whether the engine core lives. A hang shows in progress, not here."""
        return self._client is not None and not self._client.errored

    def progress(self) -> int | None:
        """Return the engine core's steps."""
        return self._steps

    def manifest(self) -> dict[str, Any]:
        """Return vLLM's version, and the arguments with our defaults."""
        from vllm import __version__

        return {"engine_version": __version__, "engine_args": self._values}

    def gpu_share(self) -> float | None:
        """Return `gpu_memory_utilization`; None without CUDA, or with several cards."""
        try:
            from vllm.platforms import current_platform
        except ImportError:
            return None
        sizes = ("tensor_parallel_size", "pipeline_parallel_size")
        has_several = any(self.engine_args.get(name, 1) != 1 for name in sizes)
        if has_several or not current_platform.is_cuda_alike():
            return None
        return float(self.engine_args.get("gpu_memory_utilization", GPU_SHARE))

    def weight_bytes(self) -> int | None:
        """Return what `plan_model` says of the weights."""
        return weight_bytes(self.model, self.source, self.engine_args)

    async def sleep(self, level: int) -> bool:
        """Let vLLM sleep, where the platform can."""
        return await fall_asleep(self._client, level)

    async def wake(self) -> None:
        """Wake vLLM; raises EngineDead."""
        await wake_up(self._client, self.model)

    async def stop(self) -> None:
        """End the engine's processes and free its memory."""
        if self._leaving:
            await asyncio.wait(self._leaving, timeout=5)
        self._app = self._endpoints = None
        gc.unfreeze()
        await self._stack.aclose()
        self._client = None
        await asyncio.to_thread(_end_children, self._children)


def _end_children(children: set[Any]) -> None:
    """Wait for the engine core's process, which ends on its own, or kill it."""
    for child in children:
        child.join(CHILD_SECONDS)
        if child.is_alive():
            child.kill()
            child.join()


async def _finish(call: "asyncio.Future[Any]") -> None:
    await asyncio.wait({call})
    if not call.cancelled():
        call.exception()  # seen, so that asyncio does not complain


def flags_of(values: dict[str, Any]) -> list[str]:
    """Turn keyword arguments into `vllm serve`'s command line.

    True is a bare flag, False its `--no-` form, None leaves it out; objects and lists
    of anything but words are written as JSON, as vLLM takes them.
    """
    flags: list[str] = []
    for name, value in values.items():
        flag = name.replace("_", "-")
        if isinstance(value, bool):
            flags.append(f"--{flag}" if value else f"--no-{flag}")
        elif isinstance(value, list):
            flags += [f"--{flag}", *map(_word, value)]
        elif isinstance(value, dict):
            flags += [f"--{flag}", json.dumps(value)]
        elif value is not None:
            flags += [f"--{flag}", str(value)]
    return flags


def _word(value: object) -> str:
    return json.dumps(value) if isinstance(value, (dict, list)) else str(value)
