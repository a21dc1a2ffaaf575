"""One server of a fleet: how much it may be given, and whether it is used at all."""

import math
import random
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio

    from workers.engines.fleet.pool import Waiter

FIRST_WAIT_SECONDS = 0.25
LONGEST_WAIT_SECONDS = 30.0
# An endpoint that asks for a longer pause than this is looked at again all the same.
LONGEST_ASKED_SECONDS = 300.0
# How much the newest line counts in the share of lines that fail at first.
WEIGHT = 1 / 32
# After so many failures without a good answer between them it is set aside.
MOST_FAILURES = 8
# The limit grows by this part of the whole in a round of answers.
GROWTH = 1 / 16


@dataclass(frozen=True, slots=True)
class Target:
    """Where requests go. `host` is the name an address was found under, if it was."""

    base_url: str
    host: str = ""
    authorization: str = field(default="", repr=False)


class Endpoint:
    """What is known of a server by the answers it gave. Times are monotonic.

    The limit follows the answers. It grows additively, and a failure takes from it in
    proportion to the share of lines that fail there (as DCTCP does, RFC 8257): in a
    storm it falls to one within a round, while a bad line now and then costs nearly
    nothing. Halving at each error is what let aibrix#2451 fall from 128 to 9.
    """

    def __init__(self, target: Target, most: int, label: str) -> None:
        self.target = target
        self.label = label
        self.most = most
        self.limit = float(most)
        self.in_flight = 0
        # Of lines that had not failed before: theirs is the endpoint's doing, rather.
        self.failing = 0.0
        self.aside = ""
        self.is_gone = False
        # Its host or its port is gone: only a probe tells that it is back.
        self.is_lost = False
        self.is_probed = False
        self.rests_until = self.probe_at = 0.0
        self.good_at = self.lost_at = self.shared_at = -math.inf
        # When something ended last here.
        self.moved_at = time.monotonic()
        self.done = self.errors = 0
        # A suspect that has it to itself, and the tries that are out.
        self.reserved_for: Waiter | None = None
        self.tries: set[asyncio.Task[object]] = set()
        self.taken_back: set[asyncio.Task[object]] = set()
        self._failures = 0
        self._pause = FIRST_WAIT_SECONDS
        # Up to here the limit doubles in a round, above it grows additively.
        self._known_good = float(most)

    @property
    def is_open(self) -> bool:
        """Tell whether lines may be sent there now."""
        is_used = not self.aside and not self.is_gone
        return is_used and self.rests_until <= time.monotonic()

    @property
    def state(self) -> str:
        """Say in words whether it is used, for people."""
        if self.is_gone:
            return "gone from its name"
        if self.aside:
            return f"set aside: {self.aside}"
        return "in use" if self.is_open else "resting, as it asked for"

    @property
    def has_room(self) -> bool:
        """Tell whether it takes one more line; it has to be open, too."""
        return self.reserved_for is None and self.in_flight < int(self.limit)

    def begin(self) -> None:
        """Note that a line is sent there."""
        if not self.in_flight:
            self.moved_at = time.monotonic()
        self.in_flight += 1
        if self.in_flight > 1:
            self.shared_at = time.monotonic()

    def note_good(self) -> None:
        """Note an answer that would be the same the next time: it works."""
        self.good_at = self.moved_at = time.monotonic()
        self.done += 1
        self.failing *= 1 - WEIGHT
        self._failures = 0
        if self.limit < self._known_good:
            self.limit += 1.0
        else:
            self.limit += GROWTH * self.most / self.limit
        self.limit = min(self.limit, float(self.most))
        if self.aside and not self.is_lost:
            self.readmit()

    def note_failure(self, *, is_first: bool, retry_after: float | None) -> bool:
        """Note an answer that may be another one next time, or none at all.

        Returns whether there are nothing but such answers: it should be set aside.
        """
        self.moved_at = time.monotonic()
        self.errors += 1
        if not self._failures:
            self._known_good = self.limit / 2
        self._failures += 1
        if is_first:
            self.failing += WEIGHT * (1 - self.failing)
        self.limit = max(1.0, self.limit * (1 - self.failing / 2))
        if retry_after is not None:
            self.rests_until = time.monotonic() + min(
                retry_after, LONGEST_ASKED_SECONDS
            )
        return self._failures >= MOST_FAILURES

    def set_aside(self, reason: str, *, is_lost: bool = False) -> None:
        """Send nothing there until a probe is answered."""
        if is_lost:
            self.is_lost, self.lost_at = True, time.monotonic()
        if not self.aside:
            self.probe_at = self._next_probe()
        self.aside = reason

    def note_well(self) -> None:
        """Note a probe that was answered."""
        self.good_at = self.moved_at = time.monotonic()
        if self.aside:
            self.readmit()

    def probe_failed(self, reason: str, retry_after: float | None) -> None:
        """Wait twice as long until the next probe."""
        self.aside = reason
        self._pause = min(2 * self._pause, LONGEST_WAIT_SECONDS)
        self.probe_at = max(self._next_probe(), time.monotonic() + (retry_after or 0.0))

    def readmit(self) -> None:
        """Use it again; one that was lost, not overloaded, soon has all it can take."""
        if self.is_lost:
            self.limit = max(self.limit, self.most / 4)
            self._known_good = float(self.most)
        self.aside, self.is_lost = "", False
        self._pause = FIRST_WAIT_SECONDS
        # One more error and it is set aside again, without harming eight lines.
        self._failures = MOST_FAILURES - 1

    def take_back(self) -> None:
        """Call back the lines that are out there: they are sent elsewhere."""
        for task in self.tries - self.taken_back:
            self.taken_back.add(task)
            task.cancel()

    def _next_probe(self) -> float:
        pause = self._pause * random.uniform(0.5, 1.0)  # noqa: S311 - jitter
        return max(time.monotonic() + pause, self.rests_until)
