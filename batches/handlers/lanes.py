"""Threads of an ops process: a lane for each handler and for each webhook endpoint.

A lane is in one thread at a time, so a slow or hanging handler or receiver fills its
own lane and no other, and the queue's task that opens the lanes returns at once. The
rows' leases are the truth: a process that dies takes its threads along, and what they
held is run again when the leases have run out.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from django.db import close_old_connections, connections

from batches.handlers.running import due_runs, run_next
from batches.handlers.webhook.delivering import deliver_next, due_deliveries
from vllm_batch.lib.conf import conf

logger = logging.getLogger(__name__)

MOST_HANDLERS, MOST_ENDPOINTS = 32, 8
# A lane that made no step for so much longer than it may is taken for stuck.
GRACE_SECONDS = 120


@dataclass(eq=False)
class Lane:
    """A handler or an endpoint, and when its thread made its last step."""

    name: str
    moved_at: float = field(default_factory=time.monotonic)


class Lanes:
    """Lanes of one kind: `find` names those with work, `step` does one piece of it."""

    def __init__(
        self, most: int, find: Callable[[], list[str]], step: Callable[[str], bool]
    ) -> None:
        self._most, self._find, self._step = most, find, step
        self._lock = threading.Lock()
        self._taken: dict[str, Lane] = {}

    def open(self) -> None:
        """Start a thread for each lane with work, as far as there may be more."""
        self._forget_stuck()
        while lane := self._take():
            threading.Thread(target=self._work, args=(lane,), daemon=True).start()

    def _take(self) -> Lane | None:
        found = self._find()
        with self._lock:
            free = [name for name in found if name not in self._taken]
            if not free or len(self._taken) >= self._most:
                return None
            lane = self._taken[free[0]] = Lane(free[0])
            return lane

    def _drop(self, lane: Lane) -> None:
        with self._lock:
            if self._taken.get(lane.name) is lane:
                del self._taken[lane.name]

    def _forget_stuck(self) -> None:
        limit = time.monotonic() - conf().HANDLER_TIMEOUT_SECONDS - GRACE_SECONDS
        for lane in list(self._taken.values()):
            if lane.moved_at < limit:
                logger.error("lane %s is stuck; another thread goes on", lane.name)
                self._drop(lane)

    def _work(self, start: Lane) -> None:
        """Empty one lane after the other until none has work that nobody does."""
        lane: Lane | None = start
        try:
            while lane is not None:
                self._empty(lane)
                lane = self._take()
        except Exception:  # noqa: BLE001 - the edge: leases and the sweeper go on
            logger.exception("a lane of handlers broke off")
        finally:
            connections.close_all()

    def _empty(self, lane: Lane) -> None:
        try:
            while self._taken.get(lane.name) is lane:
                lane.moved_at = time.monotonic()
                close_old_connections()
                if not self._step(lane.name):
                    return
        finally:
            self._drop(lane)


def _handlers() -> list[str]:
    return list(due_runs().order_by().values_list("handler", flat=True).distinct())


def _endpoints() -> list[str]:
    rows = due_deliveries().order_by()
    return list(rows.values_list("endpoint_id", flat=True).distinct())


_lanes = (
    Lanes(MOST_HANDLERS, _handlers, run_next),
    Lanes(MOST_ENDPOINTS, _endpoints, deliver_next),
)


def open_lanes() -> None:
    """Run all handlers and send all webhooks that are due, beside the caller."""
    for lanes in _lanes:
        lanes.open()


def is_work_due() -> bool:
    """Tell whether a handler or a delivery waits that nobody does."""
    return due_runs().exists() or due_deliveries().exists()
