"""Which replica a request goes to: where its prompt's start is cached. Pure.

Requests that start alike go to one replica, whose prefix cache then works once for all
of them, unless that replica has clearly more to do than the others: a prefix computed
twice costs less than a GPU that waits (performance §1, row 16).
"""

from collections.abc import Iterable, Sequence
from typing import Protocol, TypeVar

# How much of two prompts is compared, in bytes: the longest agreement counts.
LEVELS = (4096, 1024, 256)
MOST_HOMES = 16_384
# How far above the mean a replica may be loaded for the sake of its cache …
LOAD_BOUND = 1.25
# … and by how many requests in any case.
SLACK = 8
# What a replica holds at most, in windows.
FULL = 1.5


class Seat(Protocol):
    """A replica, as far as routing looks at it."""

    concurrency: int
    window: int

    @property
    def load(self) -> int:
        """How many requests it has."""


S = TypeVar("S", bound=Seat)


def keys_of(prompt: bytes) -> tuple[int, ...]:
    """Return what tells prompts with the same start, the longest start first."""
    return tuple(hash(prompt[:n]) for n in LEVELS if len(prompt) >= n)


class Homes:
    """Remembers where each start of a prompt went last."""

    def __init__(self) -> None:
        self._homes: dict[int, Seat] = {}

    def choose(self, keys: Sequence[int], seats: Iterable[S]) -> S | None:
        """Return the seat for a request; None if all are full."""
        loads = {seat: seat.load for seat in seats}
        free = [seat for seat, load in loads.items() if load < FULL * seat.window]
        if not free:
            return None
        emptiest = min(free, key=loads.__getitem__)
        chosen = self._home(keys, free) or emptiest
        if chosen is not emptiest:
            mean = sum(loads.values()) / len(loads)
            is_starving = loads[emptiest] < emptiest.concurrency
            bound = mean * (1.0 if is_starving else LOAD_BOUND) + SLACK
            if loads[chosen] > bound:
                chosen = emptiest
        self._remember(keys, chosen)
        return chosen

    def _home(self, keys: Sequence[int], free: list[S]) -> S | None:
        for key in keys:
            home = self._homes.get(key)
            for seat in free:
                if seat is home:
                    return seat
        return None

    def _remember(self, keys: Sequence[int], seat: Seat) -> None:
        for key in keys:
            self._homes.pop(key, None)  # the last used is the last to be forgotten
            self._homes[key] = seat
        while len(self._homes) > MOST_HOMES:
            del self._homes[next(iter(self._homes))]

    def forget(self, seat: Seat) -> None:
        """Forget a replica that is gone, and its cache with it."""
        self._homes = {k: home for k, home in self._homes.items() if home is not seat}
