"""Whether an engine finds room: on the GPU to start, in the machine's memory to sleep.

The rules are pure functions over what was measured.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vllm_batch.lib.conf import conf
from workers.engines.base import EngineStartFailed, GpuTaken
from workers.gpu.nvml import Card, CardError, chosen_device

GIB = 1 << 30
# What sleeping at level 1 takes besides the weights themselves.
RAM_FACTOR = 1.1
_MEMINFO = Path("/proc/meminfo")
_CGROUP = Path("/sys/fs/cgroup")


@dataclass(frozen=True, kw_only=True)
class Holder:
    """A process that holds memory of the GPU."""

    pid: int
    name: str
    bytes: int | None

    def __str__(self) -> str:
        held = "memory" if self.bytes is None else _gib(self.bytes)
        return f"{self.name} (pid {self.pid}) holds {held}"


@dataclass(frozen=True, kw_only=True)
class GpuMemory:
    """The GPU's memory at one moment, in bytes."""

    total: int
    free: int
    holders: Sequence[Holder] = ()


def refusal(
    memory: GpuMemory, share: float, weights: int | None
) -> EngineStartFailed | None:
    """Return why an engine that takes this share cannot start; None if it can.

    Weights larger than the share never fit, so that refusal is lasting.
    """
    wanted = round(share * memory.total)
    text = f"gpu_memory_utilization {share:g} of {_gib(memory.total)}"
    if weights is not None and weights > wanted:
        return EngineStartFailed(
            f"the weights take {_gib(weights)} and do not fit: {text} is"
            f" {_gib(wanted)}. Choose a quantization that fits (`manage.py"
            " plan_model`), or another model.",
            is_lasting=True,
        )
    if memory.free >= wanted:
        return None
    holders = "; ".join(map(str, memory.holders)) or "no process is known to hold it"
    return GpuTaken(
        f"the GPU is taken: {text} is {_gib(wanted)}, but only {_gib(memory.free)} is"
        f" free: {holders}. End what does not belong there, or lower"
        " gpu_memory_utilization."
    )


def gpu_memory() -> GpuMemory | None:
    """Ask the driver; None without a card that tells. May hang as long as it does."""
    try:
        card = Card(chosen_device(conf().WORKER_DEVICE))
        total, _, free = card.memory()
        processes = card.processes() or ()
    except CardError:
        return None
    if total is None or free is None:
        return None
    holders = [
        Holder(pid=p.pid, name=_name_of(p.pid), bytes=p.bytes) for p in processes
    ]
    return GpuMemory(total=total, free=free, holders=holders)


def _name_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return "a process"  # in a container the pid may be the host's


def sleep_levels(weights: int | None, free_ram: int) -> tuple[int, ...]:
    """Return the levels of vLLM's sleep to try, the best first.

    Level 1 keeps the weights in the machine's memory, which must have room for them.
    """
    if weights is not None and weights * RAM_FACTOR <= free_ram:
        return (1, 2)
    return (2,)


def free_ram_bytes() -> int:
    """Return what of the machine's memory, and of its container's, is free; or 0."""
    try:
        rows = dict(row.split(":") for row in _MEMINFO.read_text().splitlines())
        free = int(rows["MemAvailable"].removesuffix("kB")) * 1024
    except (OSError, ValueError, LookupError):
        return 0
    try:
        limit = int((_CGROUP / "memory.max").read_text())
        used = int((_CGROUP / "memory.current").read_text())
    except (OSError, ValueError):  # no such group, or "max"
        return free
    return max(0, min(free, limit - used))


def _gib(size: int) -> str:
    return f"{size / GIB:.1f} GiB"
