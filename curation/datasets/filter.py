"""Which examples go into a version, and how they are split."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any


@dataclass(frozen=True)
class NamedFile:
    """A file of somebody's test set, for the contamination report."""

    name: str
    sha256: str
    path: str = ""


@dataclass(frozen=True, kw_only=True)
class Filter:
    """What the version is made of; empty means everything.

    `models` are those whose answers are to be imitated. `test_ratio` is the share of
    clusters drawn for the split `test`. `unlicensed` are the models that were let
    through `allow_unlicensed`; freezing fills it.
    """

    queues: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    gold_only: bool = False
    since: datetime | None = None
    seed: int = 1
    test_ratio: float = 0.1
    one_per_cluster: bool = False
    allow_unlicensed: bool = False
    unlicensed: tuple[str, ...] = ()
    compare_with: tuple[NamedFile, ...] = ()

    def with_unlicensed(self, models: list[str]) -> "Filter":
        """Return it with the note that these models were let through."""
        return replace(self, unlicensed=tuple(models))

    def as_json(self, kind: str) -> dict[str, Any]:
        """Return what is stored with the version and goes into its hash."""
        return {
            "kind": kind,
            "queues": sorted(self.queues),
            "tags": sorted(self.tags),
            "models": sorted(self.models),
            "gold_only": self.gold_only,
            "since": self.since.isoformat() if self.since else None,
            "seed": self.seed,
            # A float's spelling differs between databases.
            "test_ratio": str(self.test_ratio),
            "one_per_cluster": self.one_per_cluster,
            "unlicensed": sorted(self.unlicensed),
            "compare_with": [
                {"name": file.name, "sha256": file.sha256} for file in self.compare_with
            ],
        }
