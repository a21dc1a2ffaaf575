"""Whose lines are next, of the chunks that are open. Pure: no clock, no database.

Projects take turns by their weight: each line a project has moves its mark on by
1/weight, and the project with the lowest mark is next. One that comes back starts at
the mark of the others, so that it owes nothing and nothing is owed to it.

Inside a project, batches whose deadline is near come first, then those of the highest
priority; equals take turns.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from workers.running.reading import ChunkInHand, Request


@dataclass(eq=False, kw_only=True)
class Source:
    """An open chunk and its requests that are not in the queue yet."""

    held: ChunkInHand
    requests: deque[Request]
    project: int
    weight: int = 1
    priority: int = 0
    deadline: float = 0.0


class Turns:
    """The open chunks of one model."""

    def __init__(self) -> None:
        self._sources: deque[Source] = deque()
        self._marks: dict[int, float] = {}
        self._lowest = 0.0

    def __len__(self) -> int:
        return len(self._sources)

    def __iter__(self) -> Iterator[Source]:
        return iter(self._sources)

    @property
    def projects(self) -> set[int]:
        """The projects with an open chunk."""
        return {source.project for source in self._sources}

    @property
    def batches(self) -> set[str]:
        """The batches with an open chunk."""
        return {source.held.claim.batch_id for source in self._sources}

    def add(self, source: Source) -> None:
        """Let a chunk take part; one that had its turn goes to the end."""
        if source.project not in self.projects:
            mark = self._marks.get(source.project, 0.0)
            self._marks[source.project] = max(mark, self._lowest)
        self._sources.append(source)

    def remove(self, source: Source) -> None:
        """Let a chunk take part no more."""
        self._sources.remove(source)

    def next(self, urgent_until: float) -> Source:
        """Return whose turn it is; deadlines up to `urgent_until` are near."""
        project = min(self.projects, key=lambda number: (self._marks[number], number))
        self._lowest = self._marks[project]
        mine = (source for source in self._sources if source.project == project)
        return min(mine, key=lambda source: _rank(source, urgent_until))

    def charge(self, source: Source, lines: int) -> None:
        """Count lines that a source had."""
        self._marks[source.project] += lines / source.weight


def _rank(source: Source, urgent_until: float) -> tuple[int, float]:
    if source.deadline <= urgent_until:
        return 0, source.deadline
    return 1, -source.priority
