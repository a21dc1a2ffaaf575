"""How many replicas there should be. Pure."""

import math
from dataclasses import dataclass

from workers.engines.ray.options import Options


@dataclass
class Scaler:
    """Follows the load between two bounds, slowly: a replica takes minutes to load.

    More replicas are started once work has waited for `up_seconds`, that is once there
    were more requests than the replicas' windows hold. They are given up when fewer
    would have been enough for `idle_seconds`.
    """

    options: Options
    # What `max_replicas` means on this cluster.
    most: int
    _short_since: float | None = None
    _spare_since: float | None = None

    def target(self, now: float, *, load: int, window: int, count: int) -> int:
        """Return how many replicas there should be, of which `count` exist or load.

        `load`: requests of the worker, sent or not; `window`: of one replica.
        """
        least = min(self.options.min_replicas, self.most)
        wanted = max(least, min(self.most, math.ceil(load / window)))
        if count == 0 and wanted:
            return wanted
        self._short_since = _since(self._short_since, now, holds=wanted > count)
        self._spare_since = _since(self._spare_since, now, holds=wanted < count)
        if _has_lasted(self._short_since, now, self.options.up_seconds):
            return wanted
        if _has_lasted(self._spare_since, now, self.options.idle_seconds):
            return wanted
        return max(count, least)


def _since(since: float | None, now: float, *, holds: bool) -> float | None:
    if not holds:
        return None
    return now if since is None else since


def _has_lasted(since: float | None, now: float, seconds: float) -> bool:
    return since is not None and now - since >= seconds
