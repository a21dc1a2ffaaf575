"""Metrics that the database knows: asked at a scrape, at most every few seconds.

They are the same whichever server is asked, so with several servers dashboards take the
`max`. An error of the database is a metric too, `vllm_database_up`, and no failure.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator

from django.db import Error as DatabaseFailure
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from monitoring import state_batches, state_workers

logger = logging.getLogger(__name__)

CACHE_SECONDS = 5.0
# What has to count whole tables.
SLOW_CACHE_SECONDS = 60.0
Family = Callable[[], Iterator[GaugeMetricFamily]]
# Each gives its metrics, empty ones too, from one look.
QUICK: tuple[Family, ...] = (
    state_batches.batches,
    state_batches.queues,
    state_batches.leases,
    state_batches.disk,
    state_workers.workers,
)
SLOW: tuple[Family, ...] = (state_batches.dead_letters,)


class Kept:
    """Keeps what some families said for a while; several threads may ask."""

    def __init__(self, families: tuple[Family, ...], seconds: float) -> None:
        self._families = families
        self._seconds = seconds
        self._lock = threading.Lock()
        self._asked_at = -seconds
        self._known: list[Metric] = []

    def get(self) -> list[Metric]:
        """Return what is known; raises django.db.Error."""
        with self._lock:
            if time.monotonic() - self._asked_at >= self._seconds:
                self._known = [m for family in self._families for m in family()]
                self._asked_at = time.monotonic()
            return self._known


class StateCollector(Collector):
    """Gives the gauges of `docs/reference/metrics.md` that are marked as state."""

    def __init__(self) -> None:
        self._kept = (Kept(QUICK, CACHE_SECONDS), Kept(SLOW, SLOW_CACHE_SECONDS))

    def describe(self) -> list[Metric]:
        """Return nothing: registering it asks no database."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yield what is known, and whether the database answered."""
        found: list[Metric] = []
        is_up = True
        try:
            for kept in self._kept:
                found += kept.get()
        except DatabaseFailure:
            is_up = False
            logger.exception("metrics: the database does not answer")
        yield from found
        yield GaugeMetricFamily(
            "vllm_database_up", "Whether the database answered.", value=float(is_up)
        )
