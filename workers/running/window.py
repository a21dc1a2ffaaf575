"""The coroutines that carry a run's requests: twice the engine's concurrency."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from vllm_batch.lib.conf import conf
from workers.engines.base import Engine


class Window:
    """Starts coroutines by an engine's concurrency, and more of them when it grows.

    `work` gets a place from 0 to 1 and never ends. WORKER_WINDOW fixes the size.
    """

    def __init__(
        self,
        engine: Callable[[], Engine],
        work: Callable[[float], Coroutine[Any, Any, None]],
    ) -> None:
        self._engine = engine
        self._work = work
        self.size = self._wanted()
        # How many requests the engine works on at once, as far as the window goes.
        self.places = min(self.size, engine().concurrency)
        self.tasks: list[asyncio.Task[None]] = []

    def open(self) -> list[asyncio.Task[None]]:
        """Start the coroutines; those that are added later are in the same list."""
        self._start(range(self.size))
        return self.tasks

    def grow(self) -> None:
        """Follow an engine that has grown; raises what broke a coroutine."""
        for task in self.tasks:
            if task.done():
                task.result()
        old, self.size = self.size, max(self.size, self._wanted())
        self.places = min(self.size, self._engine().concurrency)
        self._start(range(old, self.size))

    def _wanted(self) -> int:
        return conf().WORKER_WINDOW or 2 * self._engine().concurrency

    def _start(self, places: range) -> None:
        start = asyncio.get_running_loop().create_task
        self.tasks += [start(self._work(place / self.size)) for place in places]
