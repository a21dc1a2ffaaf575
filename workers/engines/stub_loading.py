"""How the stub loads, fails to load, sleeps and wakes: as its `engine_args` say.

`load_seconds`: how long loading takes. `load_failures`: how many loads in this process
fail before one works; `load_error` is why, `load_error_is_lasting` that no try helps.
`sleep_levels`: the levels it can sleep at. `wake_fails`: it dies when woken.
`weight_bytes` and `gpu_memory_utilization`: what it claims to take.
"""

import asyncio
from collections import Counter
from typing import Any

from workers.engines.base import EngineDead, EngineStartFailed

_loads: Counter[str] = Counter()


class StubLoading:
    """Plays the life of an engine that has weights."""

    def __init__(self, model: str, engine_args: dict[str, Any]) -> None:
        self._model = model
        self._args = engine_args
        self.asleep_at: int | None = None

    async def start(self) -> None:
        """Take the time; raises EngineStartFailed as often as it is told."""
        await asyncio.sleep(float(self._args.get("load_seconds", 0)))
        _loads[self._model] += 1
        is_lasting = bool(self._args.get("load_error_is_lasting", False))
        if is_lasting or _loads[self._model] <= int(self._args.get("load_failures", 0)):
            reason = str(self._args.get("load_error", "the stub does not load"))
            raise EngineStartFailed(reason, is_lasting=is_lasting)

    async def sleep(self, level: int) -> bool:
        """Sleep, if it can at this level."""
        if level not in self._args.get("sleep_levels", ()):
            return False
        self.asleep_at = level
        return True

    async def wake(self) -> None:
        """Wake; raises EngineDead if it is told to."""
        if self._args.get("wake_fails"):
            raise EngineDead("the stub does not wake")
        self.asleep_at = None

    @property
    def gpu_share(self) -> float | None:
        """What it claims of the GPU."""
        share = self._args.get("gpu_memory_utilization")
        return None if share is None else float(share)

    @property
    def weight_bytes(self) -> int | None:
        """What it claims that its weights take."""
        size = self._args.get("weight_bytes")
        return None if size is None else int(size)
