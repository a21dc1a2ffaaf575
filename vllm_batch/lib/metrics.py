"""How apps count: by prometheus_client, a segment of results at a time.

Each app has its own `metrics.py`; what only the database knows is asked for at a scrape
(`monitoring/state.py`). Every metric has labels, if need be one with a single value: an
unlabelled one opens a file in each process that imports it. Labels are names of models,
slots, handlers and words of ours: never of clients, and nothing they sent.
"""

from bisect import bisect_left
from collections import Counter as Tally
from collections.abc import Iterable
from typing import Any, cast

from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector


class BulkHistogram(Histogram):
    """A histogram that takes many values at the price of a few."""

    def observe_all(self, values: Iterable[float]) -> None:
        """Observe each of the values."""
        numbers = list(values)
        bounds: list[float] = self._upper_bounds
        tally = Tally(bisect_left(bounds, number) for number in numbers)
        self._sum.inc(sum(numbers))
        for index, count in tally.items():
            self._buckets[index].inc(count)


def bulk(histogram: Any) -> BulkHistogram:
    """Return a child of a BulkHistogram as what it is."""
    return cast("BulkHistogram", histogram)


def text_of(folder: str, *collectors: Any) -> bytes:
    """Return what the processes of a folder have counted, in Prometheus' own form."""
    registry = CollectorRegistry()
    MultiProcessCollector(registry, folder)  # type: ignore[no-untyped-call]
    for collector in collectors:
        registry.register(collector)
    return generate_latest(registry)
