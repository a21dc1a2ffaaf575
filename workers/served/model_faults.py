"""What is wrong with a served model's details, field by field, and what to write."""

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

from batches.limits import read_limits
from workers.engines import VLLM_ENGINES
from workers.engines.ray.options import KEY, BadOptions, read_options
from workers.scheduling.hours import BadHours, parse_hours

if TYPE_CHECKING:
    from workers.models import ServedModel

# Engines that load no weights: whoever runs the servers decides these.
_LOADS_NOTHING = frozenset({"openai_http"})
_LOADED = ("revision", "quantization", "chat_template")
LONGEST_NAME = 255
_ADAPTERS = (
    'Write a JSON list like [{"name": "support-bot", "source": "/adapters/support"}].'
)


def faults_of(model: "ServedModel", taken: Collection[str]) -> dict[str, str]:
    """Return the first fault of each field; none means that the model is sound.

    `taken` are the names of all other models and of their adapters.
    """
    found: dict[str, str] = {}
    for field, text in _faults(model, taken):
        found.setdefault(field, text)
    return found


def _faults(model: "ServedModel", taken: Collection[str]) -> Iterator[tuple[str, str]]:
    if model.name in taken:
        yield "name", f"The name {model.name} is taken by another model or adapter."
    try:
        read_limits(model.request_limits)
    except ValueError as error:
        yield "request_limits", str(error)
    try:
        parse_hours(model.run_hours)
    except BadHours as error:
        yield "run_hours", str(error)
    yield from _field_faults(model)
    if model.engine == KEY and isinstance(model.engine_args, dict):
        try:
            read_options(model.engine_args)
        except BadOptions as error:
            yield "engine_args", str(error)
    for text in _adapter_faults(model, taken):
        yield "lora_adapters", text


def _field_faults(model: "ServedModel") -> Iterator[tuple[str, str]]:
    for field in _LOADED:
        if not getattr(model, field):
            continue
        if model.engine in _LOADS_NOTHING:
            text = f"The engine {model.engine} loads no model: its servers decide this."
            yield field, text
        elif isinstance(model.engine_args, dict) and field in model.engine_args:
            yield field, f"engine_args set {field} too: write it in one place."
    if "\0" in model.chat_template:
        yield "chat_template", "A template cannot hold U+0000."


def _adapter_faults(model: "ServedModel", taken: Collection[str]) -> Iterator[str]:
    adapters = model.lora_adapters
    if not isinstance(adapters, list) or not all(
        isinstance(adapter, dict) for adapter in adapters
    ):
        yield _ADAPTERS
        return
    names = {model.name}
    for adapter in adapters:
        if fault := _adapter_fault(adapter, model.engine):
            yield fault
        elif adapter["name"] in names or adapter["name"] in taken:
            yield f"The name {adapter['name']} is taken by another model or adapter."
        else:
            names.add(adapter["name"])
    given = model.engine_args if isinstance(model.engine_args, dict) else {}
    for key in ("lora_modules", "enable_lora"):
        if adapters and key in given:
            yield f"engine_args set {key} too: write adapters in one place."


def _adapter_fault(adapter: dict[str, object], engine: str) -> str:
    name, source = adapter.get("name"), adapter.get("source", "")
    if not isinstance(name, str) or not 0 < len(name) <= LONGEST_NAME or "\0" in name:
        return f"An adapter lacks its name. {_ADAPTERS}"
    if set(adapter) - {"name", "source"} or not isinstance(source, str):
        return f"The adapter {name} has only a name and a source, both texts."
    if not source and engine in VLLM_ENGINES:
        return f"The adapter {name} lacks its source: a folder or a hub id."
    return ""
