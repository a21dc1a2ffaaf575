"""Splits by cluster: near-duplicates are never in both train and test.

A cluster that has an item locked to a split goes there whole. Every other cluster is
drawn by the hash of its name and a seed, so the same seed gives the same splits, and
new items change no old one's.
"""

import hashlib

from accounts.models import Project
from curation.datasets.errors import LeakageFound
from curation.datasets.evidence import cluster_of
from curation.models import Item
from curation.models.item import Split

HELD_OUT = (Split.TEST, Split.GOLD)
_SHOWN = 10


def locks_of(project: Project) -> dict[str, set[str]]:
    """Return the clusters with locked items, and what they are locked to."""
    rows = Item.objects.filter(project=project).exclude(split_lock="")
    found: dict[str, set[str]] = {}
    fields = rows.values_list("family", "input_hash", "split_lock")
    for family, input_hash, lock in fields.iterator():
        found.setdefault(cluster_of(family, input_hash), set()).add(lock)
    return found


class Splitter:
    """Decides where each cluster goes; remembers those that cannot go anywhere."""

    def __init__(self, project: Project, seed: int, test_ratio: float) -> None:
        self._locks = locks_of(project)
        self._seed, self._test_ratio = seed, test_ratio
        self._torn: dict[str, None] = {}

    def split(self, cluster: str) -> str:
        """Return the split of a cluster."""
        locks = self._locks.get(cluster, set())
        if Split.TRAIN in locks and len(locks) > 1:
            self._torn[cluster] = None
        for lock in (Split.GOLD, Split.TEST, Split.TRAIN):
            if lock in locks:
                return lock
        return Split.TEST if _draw(self._seed, cluster) < self._test_ratio else "train"

    def check(self) -> None:
        """Raise LeakageFound if a cluster is locked to train and to test or gold."""
        if self._torn:
            raise leakage(list(self._torn))


def leakage(clusters: list[str]) -> LeakageFound:
    """Return what to say about clusters that are trained with and tested on."""
    shown = ", ".join(clusters[:_SHOWN])
    more = f" and {len(clusters) - _SHOWN} more" if len(clusters) > _SHOWN else ""
    return LeakageFound(
        "Near-duplicates are in train and in test or gold. Look for these families"
        f" among the items, and lock each to one split: {shown}{more}."
    )


def _draw(seed: int, cluster: str) -> float:
    """Return a number from 0 to below 1 that is always the same."""
    found = hashlib.sha256(f"{seed}:{cluster}".encode()).digest()
    return int.from_bytes(found[:6], "big") / (1 << 48)
