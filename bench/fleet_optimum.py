"""The best any policy could do on one GPU with all jobs there from the start."""

from collections.abc import Sequence
from typing import NamedTuple

from bench.fleet_world import Job


class Best(NamedTuple):
    """Fewest missed deadlines, and with so many the fewest swaps."""

    missed: int
    swaps: int


def fewest_swaps(jobs: Sequence[Job]) -> int:
    """Return the swaps if nothing hurries: each model once, the first one for free."""
    return len({job.model for job in jobs}) - 1


def least_missed(jobs: Sequence[Job], swap: float) -> Best:
    """Search all orders exactly: states are what is done, on which model.

    The time is known from the swaps, so a state keeps the fewest misses for each number
    of swaps.
    """
    full = (1 << len(jobs)) - 1
    works = [
        sum(j.work for i, j in enumerate(jobs) if s >> i & 1) for s in range(full + 1)
    ]
    # (done, model) -> {swaps: missed}
    states: dict[tuple[int, str], dict[int, int]] = {}
    for index, job in enumerate(jobs):
        late = int(swap + job.work > job.deadline)
        states[1 << index, job.model] = {0: late}
    for done in sorted(range(1, full + 1), key=int.bit_count):
        for model in {job.model for job in jobs}:
            for swaps, missed in states.get((done, model), {}).items():
                for index, job in enumerate(jobs):
                    if done >> index & 1:
                        continue
                    total = swaps + (job.model != model)
                    ends = works[done] + job.work + (total + 1) * swap
                    late = missed + (ends > job.deadline)
                    known = states.setdefault((done | 1 << index, job.model), {})
                    known[total] = min(late, known.get(total, late))
    # What is not done expired: that misses its deadline and needs no swap.
    return min(
        Best(missed + (full ^ done).bit_count(), swaps)
        for (done, _), found in states.items()
        for swaps, missed in found.items()
    )
