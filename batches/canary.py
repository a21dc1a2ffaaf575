"""Try a batch's first lines before the rest. Pure: counts in, a verdict out.

`BatchJob.canary` holds what was ordered (`lines`, `max_failed_share`,
`max_cut_off_share`), and from the start of the batch also `state` and `chunks`: the
first so many chunks are exactly those lines. Once all of them have a result, `failed`
and `cut_off` stay there as they were.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

from batches.models import BatchJob, Chunk

Canary = Mapping[str, Any]


class State(StrEnum):
    """How far the first lines are.

    HELD: a limit was passed, and the batch paused. RESUMED: somebody let it go on.
    """

    WAITING = "waiting"
    RUNNING = "running"
    PASSED = "passed"
    HELD = "held"
    RESUMED = "resumed"


_ORDERED = ("lines", "max_failed_share", "max_cut_off_share")


def ordered(canary: Canary | None) -> dict[str, Any] | None:
    """Return what was ordered, whatever became of it since."""
    return None if canary is None else {key: canary[key] for key in _ORDERED}


def begun(canary: Canary | None, chunks: Sequence[Chunk]) -> dict[str, Any] | None:
    """Return what a batch's canary is once its plan is made.

    The planner ends a chunk with the last of the first lines, so counting finds it.
    """
    if canary is None:
        return None
    lines = count = 0
    for chunk in chunks:
        if lines >= canary["lines"]:
            break
        lines, count = lines + chunk.line_count, count + 1
    return {**canary, "lines": lines, "chunks": count, "state": State.RUNNING.value}


def fault_of(canary: Canary, *, failed: int, cut_off: int) -> str:
    """Return which limits the first lines passed, with the figures; empty: none."""
    lines: int = canary["lines"]
    found = [
        f"{count} of {lines} first lines {what}; limit {limit * 100:g} %"
        for count, what, limit in (
            (failed, "failed", canary["max_failed_share"]),
            (cut_off, "were cut off", canary["max_cut_off_share"]),
        )
        if count > limit * lines
    ]
    return ", and ".join(found)


def decided(canary: Canary, *, failed: int, cut_off: int) -> dict[str, Any]:
    """Return what the canary is once each of its lines has a result."""
    fault = fault_of(canary, failed=failed, cut_off=cut_off)
    state = State.HELD if fault else State.PASSED
    return {**canary, "state": state.value, "failed": failed, "cut_off": cut_off}


def canary_object(batch: BatchJob) -> dict[str, Any] | None:
    """Return the canary as clients see it; None without one."""
    canary = batch.canary
    if canary is None:
        return None
    state = canary.get("state", State.WAITING)
    if state == State.RUNNING and batch.first_result_at is None:
        state = State.WAITING
    # Until it is decided, no other lines have run: the batch's counts are its own.
    return {
        "lines": canary["lines"],
        "state": str(state),
        "failed": canary.get("failed", batch.failed),
        "cut_off": canary.get("cut_off", batch.cut_off),
        "max_failed_share": canary["max_failed_share"],
        "max_cut_off_share": canary["max_cut_off_share"],
    }
