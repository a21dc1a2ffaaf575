"""Which endpoint a line goes to, and who waits for a place. No I/O, one event loop.

Consistent hashing with bounded loads: lines with the same prompt start go to the same
endpoint, whose cache has it, unless it has more than its fair share (Mirrokni et al.,
2018; KubeAI and llm-d route so too). When all are full a line waits at its own
endpoint; one that runs dry takes from the longest queue, so nothing idles for a cache.
"""

import asyncio
import hashlib
import math
from collections import deque
from dataclasses import dataclass

from workers.engines.fleet.endpoint import Endpoint
from workers.engines.fleet.line import Line

# An endpoint may have a quarter more than its share before others help.
LOAD_FACTOR = 1.25
# Ranks that are remembered, and waiting lines that are looked at for a free place.
MOST_RANKS, MOST_LOOKED_AT = 4096, 32


@dataclass(frozen=True, slots=True, eq=False)
class Waiter:
    """A line that waits for a place, and what tells it which."""

    line: Line
    place: "asyncio.Future[Endpoint]"


Queue = deque[Waiter]


class Pool:
    """The endpoints, and the lines that wait for one."""

    def __init__(self) -> None:
        self.endpoints: list[Endpoint] = []
        self._queues: dict[Endpoint, Queue] = {}
        # Lines that wait while nothing is open, and those that have to run alone.
        self._homeless: Queue = deque()
        self._suspects: Queue = deque()
        self._ranks: dict[bytes, list[Endpoint]] = {}

    @property
    def waiting(self) -> int:
        """How many lines wait for a place."""
        queues = (*self._queues.values(), self._homeless, self._suspects)
        return sum(not one.place.done() for queue in queues for one in queue)

    @property
    def open(self) -> list[Endpoint]:
        """The endpoints that lines may be sent to now."""
        return [endpoint for endpoint in self.endpoints if endpoint.is_open]

    def add(self, endpoint: Endpoint) -> None:
        """Use one more endpoint."""
        self.endpoints.append(endpoint)
        self._queues[endpoint] = deque()
        self._ranks.clear()
        self.settle(endpoint)

    def drop(self, endpoint: Endpoint) -> None:
        """Forget an endpoint that has nothing in flight."""
        self.endpoints.remove(endpoint)
        self._ranks.clear()
        self._homeless += self._queues.pop(endpoint)
        self.refresh()

    async def place(self, line: Line) -> Endpoint:
        """Return where to send the line, once there is room; give it back after."""
        if not line.is_suspect and (endpoint := self._choose(line)) is not None:
            endpoint.begin()
            return endpoint
        waiter = Waiter(line, asyncio.get_running_loop().create_future())
        self._enqueue(waiter)
        try:
            return await waiter.place
        except asyncio.CancelledError:
            if waiter.place.done() and not waiter.place.cancelled():
                self.give_back(waiter.place.result())
            raise

    def give_back(self, endpoint: Endpoint) -> None:
        """Free the place that `place` gave."""
        endpoint.in_flight -= 1
        self.settle(endpoint)

    def refresh(self) -> None:
        """Look at everything again: pauses end without anybody saying so."""
        for endpoint in list(self.endpoints):
            self.settle(endpoint)
        if self._homeless and self.open:
            waiting, self._homeless = self._homeless, deque()
            self._move(waiting)
        self._reserve()

    def settle(self, endpoint: Endpoint) -> None:
        """Fill an endpoint's free places, or let others have its queue if it closed."""
        if self._is_kept_free(endpoint):
            return
        if not endpoint.is_open:
            waiting, self._queues[endpoint] = self._queues[endpoint], deque()
            self._move(waiting)
            return
        while endpoint.has_room and (waiter := self._next_for(endpoint)) is not None:
            endpoint.begin()
            waiter.place.set_result(endpoint)

    def _is_kept_free(self, endpoint: Endpoint) -> bool:
        """Serve the suspect that an endpoint is kept free for, if there is one."""
        waiter = endpoint.reserved_for
        if waiter is None:
            return False
        if endpoint.in_flight:
            return endpoint.is_open
        if not waiter.place.done() and endpoint.is_open:
            endpoint.begin()
            waiter.place.set_result(endpoint)
            return True
        endpoint.reserved_for = None
        if not waiter.place.done():
            self._suspects.appendleft(waiter)
        self._reserve()
        return endpoint.reserved_for is not None

    def _reserve(self) -> None:
        """Keep half of the endpoints free at most, for lines that have to run alone."""
        while self._suspects:
            if self._suspects[0].place.done():
                self._suspects.popleft()
                continue
            here = self.open
            free = [one for one in here if one.reserved_for is None]
            if not free or len(here) - len(free) >= max(1, len(here) // 2):
                return
            endpoint = min(free, key=lambda one: one.in_flight)
            endpoint.reserved_for = self._suspects.popleft()
            self._is_kept_free(endpoint)

    def _choose(self, line: Line) -> Endpoint | None:
        """Return the first choice that has room and no more than its share."""
        here = self.open
        if line.avoided:
            here = [one for one in here if one not in line.avoided] or here
        roomy = [one for one in here if one.has_room]
        if not roomy:
            return None
        if line.key and len(here) > 1:
            total = sum(one.in_flight for one in here) + 1
            part = LOAD_FACTOR * total / sum(one.limit for one in here)
            for endpoint in self._ranked(line.key):
                bound = math.ceil(part * endpoint.limit)
                if endpoint in roomy and endpoint.in_flight < bound:
                    return endpoint
        return min(roomy, key=lambda one: one.in_flight / one.limit)

    def _ranked(self, key: bytes) -> list[Endpoint]:
        """Return the endpoints in the order of this key (rendezvous hashing)."""
        if (known := self._ranks.get(key)) is not None:
            return known
        if len(self._ranks) >= MOST_RANKS:
            self._ranks.clear()

        def rank(endpoint: Endpoint) -> bytes:
            name = endpoint.target.base_url.encode()
            return hashlib.blake2b(name + b"\0" + key, digest_size=8).digest()

        ranked = self._ranks[key] = sorted(self.endpoints, key=rank)
        return ranked

    def _enqueue(self, waiter: Waiter) -> None:
        if waiter.line.is_suspect:
            self._suspects.append(waiter)
            self._reserve()
            return
        here = self.open
        if not here:
            self._homeless.append(waiter)
            return
        here = [one for one in here if one not in waiter.line.avoided] or here
        if waiter.line.key:
            home = next(e for e in self._ranked(waiter.line.key) if e in here)
        else:
            home = min(here, key=lambda one: len(self._queues[one]))
        self._queues[home].append(waiter)

    def _move(self, waiting: Queue) -> None:
        """Let lines wait elsewhere, or be served there at once."""
        for waiter in waiting:
            if waiter.place.done():
                continue
            if (endpoint := self._choose(waiter.line)) is None:
                self._enqueue(waiter)
            else:
                endpoint.begin()
                waiter.place.set_result(endpoint)

    def _next_for(self, endpoint: Endpoint) -> Waiter | None:
        """Take the line that a free place is for: of its own queue, or the longest."""
        own = self._queues[endpoint]
        while own:
            if not (waiter := own.popleft()).place.done():
                return waiter
        longest = max(self._queues.values(), key=len)
        for index in range(min(len(longest), MOST_LOOKED_AT)):
            waiter = longest[index]
            if not waiter.place.done() and endpoint not in waiter.line.avoided:
                del longest[index]
                return waiter
        return None
