"""What vLLM counts in replicas, on other machines, served at the worker's own port."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from vllm_batch.lib.metric_files import FOLDER, is_alive

if TYPE_CHECKING:
    from workers.engines.ray.link import Link

PATTERN = "replica_*.prom"
# A replica's other metrics are about its process, and have the worker's names.
PREFIX = "vllm:"


class ReplicaMetrics:
    """Keeps the last text of each replica in a file of the worker's metrics folder."""

    def __init__(self) -> None:
        folder = os.environ.get(FOLDER)
        self._folder = Path(folder) if folder else None
        self._files: set[Path] = set()

    def keep(self, link: "Link", text: bytes) -> None:
        """Note what a replica told."""
        if self._folder is None:
            return
        path = self._folder / f"replica_{os.getpid()}_{link.number}.prom"
        new = path.with_suffix(".new")
        new.write_bytes(text)
        new.replace(path)
        self._files.add(path)

    def clear(self) -> None:
        """Forget the replicas of this engine."""
        for path in self._files:
            path.unlink(missing_ok=True)


class ReplicaCollector(Collector):
    """Reads those files at a scrape; each series gets the label `replica`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def collect(self) -> Iterator[Metric]:
        """Yield each family once, with the series of all replicas."""
        families: dict[str, Metric] = {}
        for path in sorted(self._folder.glob(PATTERN)):
            _, pid, replica = path.stem.split("_")
            if not is_alive(int(pid)):
                path.unlink(missing_ok=True)
                continue
            for family in text_string_to_metric_families(path.read_text()):
                if not family.name.startswith(PREFIX):
                    continue
                known = families.setdefault(
                    family.name, Metric(family.name, family.documentation, family.type)
                )
                known.samples += [
                    sample._replace(labels={**sample.labels, "replica": replica})
                    for sample in family.samples
                ]
        yield from families.values()
