"""Note on each batch what it runs on, before its first line does."""

import platform
from typing import Any

from django.conf import settings

from batches import manifests
from batches.models import Chunk
from batches.pause_actions import pause
from vllm_batch import __version__
from vllm_batch.lib.clock import database_now
from vllm_batch.lib.errors import Conflict
from workers.engines.base import Engine
from workers.models import Heartbeat
from workers.served.facts import facts, weights_of

SEEDS = (
    "A line draws with the `seed` in its body; without one, only temperature 0 is"
    " repeatable, as far as the engine's arithmetic is."
)


class Logbook:
    """Keeps the manifests of the batches that one engine runs."""

    def __init__(self, engine: Engine, owner: str) -> None:
        self._engine = engine
        self._owner = owner
        self._entry: dict[str, Any] | None = None
        self._noted: set[str] = set()

    def admit(self, chunk: Chunk) -> bool:
        """Note a claimed chunk's batch; False, and paused, if it needs another engine.

        Safe to repeat.
        """
        if chunk.batch_id in self._noted:
            return True
        entry = self._entry = self._entry or entry_of(self._engine, self._owner)
        pinned = chunk.batch.pinned_manifest
        if pinned and (found := manifests.model_differences(pinned, entry)):
            _hold(chunk, found)
            return False
        manifests.note(chunk.batch_id, entry, at=int(database_now().timestamp()))
        self._noted.add(chunk.batch_id)
        return True


def _hold(chunk: Chunk, found: list[str]) -> None:
    text = f"the engine differs from the pinned manifest: {'; '.join(found)}"
    try:
        pause(chunk.batch, text)
    except Conflict:
        return  # it ended meanwhile


def entry_of(engine: Engine, owner: str) -> dict[str, Any]:
    """Describe a started engine and the machine it runs on."""
    told = engine.manifest()
    arguments = told.get("engine_args", engine.engine_args)
    found = facts(_name_of(engine), engine.source, arguments)
    adapters = found["lora_adapters"]
    return {
        "model": engine.model,
        **found,
        "engine_version": told.get("engine_version"),
        "server_version": __version__,
        "weights": weights_of(engine.source, found["revision"]),
        "lora_weights": [weights_of(adapter["source"], "") for adapter in adapters],
        "gpu": told.get("gpu") or _gpu(owner),
        "platform": f"{platform.platform()}, Python {platform.python_version()}",
        "seeds": SEEDS,
    }


def _name_of(engine: Engine) -> str:
    path = f"{type(engine).__module__}.{type(engine).__qualname__}"
    names = [name for name, known in settings.ENGINES.items() if known == path]
    return names[0] if names else path


def _gpu(owner: str) -> str:
    """Return what the worker's heartbeat says of its card."""
    beat = Heartbeat.objects.filter(owner=owner).first()
    gpu = beat.gpu if beat is not None and isinstance(beat.gpu, dict) else {}
    return str(gpu.get("name") or "CPU")
