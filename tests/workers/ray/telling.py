"""What TellingEngine wrote down, and engines made of it."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from prometheus_client import REGISTRY

from workers.engines import make_engine
from workers.engines.base import Engine

SECONDS = 60.0


def ray_engine(folder: Path | None = None, **table: Any) -> Engine:
    """Build the engine ray, of stubs that tell if there is a folder to tell it in."""
    arguments: dict[str, Any] = {"concurrency": table.pop("concurrency", 16)}
    table.setdefault("engine", "telling" if folder else "stub")
    if folder:
        arguments["folder"] = str(folder)
    return make_engine(
        "ray", model="stub", source="", engine_args={**arguments, "ray": table}
    )


def told(folder: Path) -> dict[int, list[str]]:
    """Return the events of each replica by its pid."""
    files = [path for path in folder.iterdir() if path.name.isdecimal()]
    return {int(path.name): path.read_text().splitlines() for path in files}


def count(folder: Path, event: str) -> dict[int, int]:
    """Count an event by pid."""
    found = told(folder)
    return {
        pid: sum(line.startswith(f"{event} ") for line in lines)
        for pid, lines in found.items()
    }


def ready() -> float | None:
    """Return how many replicas the metrics say there are."""
    return REGISTRY.get_sample_value("vllm_engine_replicas", {"model": "stub"})


async def until(holds: Callable[[], object]) -> None:
    """Wait until something holds."""
    ends_at = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < ends_at, "it did not happen"
        await asyncio.sleep(0.02)


def is_alive(pid: int) -> bool:
    """Tell whether a process runs."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"
