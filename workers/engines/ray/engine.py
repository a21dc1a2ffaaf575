"""The engine `ray`: one served model on many GPUs, behind one `post`.

    post ─▶ dispatching ─▶ link ═ blocks ═▶ replica (an actor) ─▶ any other engine
                 ▲            └── lost: its lines come back at once
             replicas: started, replaced, scaled between two bounds

Why actors and blocks: docs/adr/0009-ray-actors-and-blocks.md.
"""

import asyncio
import os
from pathlib import Path
from typing import Any

from django.conf import settings

from batches.ordering import Traits
from vllm_batch.lib.conf import conf
from workers.engines.base import Answer, Engine, EngineDead, EngineStartFailed
from workers.engines.ray import cluster
from workers.engines.ray.blocks import Facts, Spec
from workers.engines.ray.lines import Line
from workers.engines.ray.options import KEY, BadOptions, Options, read_options
from workers.engines.ray.replica_metrics import ReplicaMetrics
from workers.engines.ray.replicas import Replicas
from workers.engines.ray.routing import keys_of

# What a replica's engine asks our settings for.
_SETTINGS = ("ENGINE_START_SECONDS", "ENGINE_STALL_SECONDS", "WORKER_VLLM_METRICS")
# What the worker's environment says to vLLM holds for replicas too.
_VARIABLES = ("VLLM_", "HF_")
_OURS = "VLLM_BATCH_"
# Arguments that may name a file on the worker's disk, which a node may not have.
_TEXTS = ("chat_template",)


class RayEngine(Engine):
    """Replicas of another engine on a Ray cluster. `source` must be there on all nodes.

    `engine_args` are that engine's; the table `ray` in it says how many replicas there
    are and what each takes (options.py).
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._replicas: Replicas | None = None
        self._is_connected = False

    @property
    def concurrency(self) -> int:
        """What all replicas there may be work on at the same time."""
        replicas, facts = self._started()
        return facts.concurrency * replicas.most

    def _started(self) -> tuple[Replicas, Facts]:
        if self._replicas is None or self._replicas.facts is None:
            raise EngineDead(f"the engine of {self.model} is not started")
        return self._replicas, self._replicas.facts

    async def start(self) -> None:
        """Join the cluster and bring up the first replica; raises EngineStartFailed."""
        try:
            options, arguments = read_options(self.engine_args)
            if options.engine not in settings.ENGINES:
                raise BadOptions(f"{KEY}.engine: there is no engine {options.engine}.")
        except BadOptions as error:
            text = f"engine_args of {self.model}: {error}"
            raise EngineStartFailed(text, is_lasting=True) from None
        await asyncio.to_thread(cluster.connect, conf().RAY_ADDRESS)
        self._is_connected = True
        self._metrics = ReplicaMetrics()
        self._replicas = Replicas(
            self._spec(options, arguments), options, self._metrics.keep
        )
        await self._replicas.start()

    def _spec(self, options: Options, arguments: dict[str, Any]) -> Spec:
        environ = {
            name: value
            for name, value in os.environ.items()
            if name.startswith(_VARIABLES) and not name.startswith(_OURS)
        }
        known = {name: getattr(conf(), name) for name in _SETTINGS}
        return Spec(
            engine=settings.ENGINES[options.engine],
            model=self.model,
            source=self.source,
            engine_args=arguments,
            # A replica that slept would keep its GPU from all others all the same.
            settings={**known, "WORKER_SLEEPING_MODELS": 0},
            environ=environ,
            texts={name: text for name in _TEXTS if (text := _text(arguments, name))},
            block_lines=options.block_lines,
            idle_seconds=options.idle_seconds,
            has_gpu=options.num_gpus > 0,
        )

    async def post(self, url: str, body: bytes) -> Answer:
        """Answer from some replica; the line is sent again if that one is lost."""
        dispatcher = self._started()[0].dispatcher
        line = Line(url, body, keys_of(Traits(url, body, fold=False).prompt))
        dispatcher.add(line)
        try:
            return await line.future
        except asyncio.CancelledError:
            dispatcher.give_up(line)
            raise

    async def health(self) -> bool:
        """Tell whether a replica is ready. Each one's progress is watched by itself."""
        return self._replicas is not None and bool(self._replicas.dispatcher.links)

    def manifest(self) -> dict[str, Any]:
        """Return what a replica tells of its engine, and its accelerator's name."""
        _, facts = self._started()
        told = {**facts.manifest}
        own = {
            name: self.engine_args[name] for name in _TEXTS if name in self.engine_args
        }
        told["engine_args"] = {**told.get("engine_args", {}), **own}
        return {**told, "gpu": facts.gpu}

    async def stop(self) -> None:
        """End all replicas, and the cluster if it was started here."""
        replicas, self._replicas = self._replicas, None
        if replicas is not None:
            await replicas.stop()
            self._metrics.clear()
        if self._is_connected:
            self._is_connected = False
            await asyncio.to_thread(cluster.disconnect)


def _text(arguments: dict[str, Any], name: str) -> str:
    """Return the text of the file an argument names; empty if it names none here."""
    given = arguments.get(name)
    try:
        return Path(str(given)).read_text(encoding="utf-8") if given else ""
    except (OSError, ValueError):
        return ""
