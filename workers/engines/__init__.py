"""Engines: whatever answers an OpenAI POST. `base.py` is the plug-in's manual."""

from typing import Any

from django.conf import settings
from django.utils.module_loading import import_string

from workers.engines.base import Engine

# Engines that run vLLM on `source`, here or on other machines.
VLLM_ENGINES = frozenset({"vllm", "ray"})


def engine_names() -> list[str]:
    """Return the names a served model may use."""
    return sorted(settings.ENGINES)


def make_engine(
    name: str, *, model: str, source: str, engine_args: dict[str, Any]
) -> Engine:
    """Build the engine called `name`; importing it is what loads heavy libraries."""
    engine_class: type[Engine] = import_string(settings.ENGINES[name])
    return engine_class(model=model, source=source, engine_args=engine_args)
