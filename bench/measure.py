"""Measure two ways of doing the same work against each other.

Absolute times are noisy on a shared machine, so the two are run in turn, A B A B …, and
only the ratio of each pair counts: the median of them, with a bootstrap interval.
"""

import random
import resource
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

SEED = 20261125
RESAMPLES = 2000
T = TypeVar("T")


@dataclass(frozen=True)
class Spent:
    """What one run took: wall seconds and processor seconds, children included."""

    wall: float
    cpu: float


@dataclass(frozen=True)
class Ratio:
    """The median of paired ratios A / B, with its 95 % bootstrap interval."""

    median: float
    low: float
    high: float
    pairs: int

    def __str__(self) -> str:
        return f"{self.median:.3f} [{self.low:.3f} … {self.high:.3f}]"


def spend(work: Callable[[], object]) -> Spent:
    """Run `work` once and return what it took."""
    cpu, start = _cpu(), time.perf_counter()
    work()
    return Spent(time.perf_counter() - start, _cpu() - cpu)


def _cpu() -> float:
    own = resource.getrusage(resource.RUSAGE_SELF)
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def ratio(values: Sequence[float], others: Sequence[float]) -> Ratio:
    """Return the ratio of paired measurements."""
    ratios = [a / b for a, b in zip(values, others, strict=True)]
    generator = random.Random(SEED)
    medians = sorted(
        statistics.median(generator.choices(ratios, k=len(ratios)))
        for _ in range(RESAMPLES)
    )
    low, high = medians[int(0.025 * RESAMPLES)], medians[int(0.975 * RESAMPLES) - 1]
    return Ratio(statistics.median(ratios), low, high, len(ratios))


def walls(taken: Sequence[Spent]) -> list[float]:
    """Return the wall seconds."""
    return [spent.wall for spent in taken]


def cpus(taken: Sequence[Spent]) -> list[float]:
    """Return the processor seconds."""
    return [spent.cpu for spent in taken]


def in_turn(
    ways: Sequence[Callable[[], T]], rounds: int, *, warm_up: bool = True
) -> list[list[T]]:
    """Run all ways once per round, each round in the opposite order; return results.

    The first round, which pays for what is done once, is not returned.
    """
    if warm_up:
        for way in ways:
            way()
    results: list[list[T]] = [[] for _ in ways]
    for number in range(rounds):
        order = range(len(ways)) if number % 2 == 0 else range(len(ways) - 1, -1, -1)
        for index in order:
            results[index].append(ways[index]())
    return results


def interleave(
    first: Callable[[], object], second: Callable[[], object], pairs: int
) -> tuple[list[Spent], list[Spent]]:
    """Run both in turn, after one unmeasured round; return what each run took."""
    taken = in_turn([lambda: spend(first), lambda: spend(second)], pairs)
    return taken[0], taken[1]
