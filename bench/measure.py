"""Measure two ways of doing the same work against each other.

Absolute times are noisy on a shared machine, so the two are run in turn, A B A B …, and
only the ratio of each pair counts: the median of them, with a bootstrap interval.
"""

import random
import resource
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

SEED = 20261125
RESAMPLES = 2000


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


def ratio(values: list[float], others: list[float]) -> Ratio:
    """Return the ratio of paired measurements."""
    ratios = [a / b for a, b in zip(values, others, strict=True)]
    generator = random.Random(SEED)
    medians = sorted(
        statistics.median(generator.choices(ratios, k=len(ratios)))
        for _ in range(RESAMPLES)
    )
    low, high = medians[int(0.025 * RESAMPLES)], medians[int(0.975 * RESAMPLES) - 1]
    return Ratio(statistics.median(ratios), low, high, len(ratios))


def interleave(
    first: Callable[[], object], second: Callable[[], object], pairs: int
) -> tuple[list[Spent], list[Spent]]:
    """Run both in turn, after one unmeasured round; return what each run took."""
    first(), second()
    taken: tuple[list[Spent], list[Spent]] = ([], [])
    for number in range(pairs):
        order = (0, 1) if number % 2 == 0 else (1, 0)
        for index in order:
            taken[index].append(spend((first, second)[index]))
    return taken
