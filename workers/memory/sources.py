"""Find what is known of a model: a served one, a folder, a config, a hub id."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.db import DatabaseError

from workers.engines import VLLM_ENGINES
from workers.memory.config import parse_config
from workers.memory.errors import CannotPlan
from workers.memory.fields import parse_object
from workers.memory.plan import Plan, make_plan
from workers.memory.safetensors import read_tensors, read_total
from workers.memory.weights import Model
from workers.memory.wishes import wish_of
from workers.models import ServedModel
from workers.presets import FACTS
from workers.served.arguments import arguments_of

LARGEST_CONFIG = 4_000_000


@dataclass(frozen=True)
class Source:
    """Where a model comes from, and the engine arguments it is served with."""

    name: str
    place: str
    engine_args: Mapping[str, Any] = field(default_factory=dict)


def source_of(name: str) -> Source:
    """Return the served model of that name, else take the name as a place itself."""
    try:
        served = ServedModel.objects.filter(name=name).first()
    except DatabaseError:
        # A folder can be planned before there is a database.
        served = None
    return source_of_served(served) if served else Source(name, name)


def source_of_served(served: ServedModel) -> Source:
    """Return a served model's source; raises CannotPlan if it loads nothing here."""
    if served.engine not in VLLM_ENGINES:
        raise CannotPlan(
            f"{served.name} is served by the engine {served.engine}, which loads no"
            " weights on this machine."
        )
    return Source(served.name, served.source, arguments_of(served))


def plan_for(source: Source, gpu: int, **changes: Any) -> Plan:
    """Return the plan for a source on a GPU; `changes` go over its engine_args."""
    given = {key: value for key, value in changes.items() if value is not None}
    wish = wish_of(gpu, {**source.engine_args, **given})
    return make_plan(read_model(source), wish)


def read_model(source: Source) -> Model:
    """Return what the source's files say; raises CannotPlan."""
    try:
        folder, config = _find(source.place)
        values = parse_object(_read(config), "config.json")
        tensors = read_tensors(folder) if folder else None
        total = read_total(folder) if folder and tensors is None else None
    except OSError as error:
        raise CannotPlan(f"{source.place} could not be read: {error}") from error
    return Model(source.name, parse_config(values), tensors, total)


def _read(path: Path) -> bytes:
    if not path.is_file():
        raise CannotPlan(f"{path} could not be read: there is no such file.")
    with path.open("rb") as stream:
        return stream.read(LARGEST_CONFIG)


def _find(place: str) -> tuple[Path | None, Path]:
    """Return the folder, if there is one, and the config's path."""
    path = Path(place)
    if path.is_file():
        return None, path
    folder = path if path.is_dir() else _in_hub_cache(place)
    if folder is not None:
        return folder, folder / "config.json"
    if (facts := FACTS / f"{place.replace('/', '--')}.json").is_file():
        return None, facts
    raise CannotPlan(
        f"Nothing is known of '{place}'. Give a served model's name, a folder with"
        " config.json, the path of a config.json, or an id of the Hugging Face hub that"
        " was downloaded to this machine."
    )


def _in_hub_cache(place: str) -> Path | None:
    """Return the newest snapshot of a hub id in huggingface_hub's cache."""
    home = os.environ.get("HF_HOME") or "~/.cache/huggingface"
    cache = Path(os.environ.get("HF_HUB_CACHE") or f"{home}/hub").expanduser()
    if place.count("/") != 1 or ".." in place:
        return None
    folder = cache / f"models--{place.replace('/', '--')}" / "snapshots"
    snapshots = [path.parent for path in folder.glob("*/config.json")]
    return max(snapshots, key=lambda path: path.stat().st_mtime, default=None)
