"""G3: how much of its time the engine has free slots though there is work left."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median
from typing import Any
from unittest.mock import patch

from bench import warm
from bench.engines import Counted, Step, StepEngine
from bench.measure import in_turn
from bench.options import Options
from bench.report import Report
from bench.warm import MODEL, Warm
from bench.workloads import mixed_lines
from workers.running import runner as product
from workers.running.feeding import Feeder

# What a worker would hand over at once if it saved by waiting for what it handed over.
BARRIER_LINES = 256
# Seconds, and the shares of the engine's time in which it starved.
Found = tuple[float, float, float]


@dataclass
class Starvation:
    """Adds up steps in which requests that wait elsewhere could have run."""

    unfinished: int
    slots: int
    counted: Counted
    total: float = 0.0
    # Free slots and nothing waits in the engine's core; and of that, the time in which
    # we had not even handed over enough.
    starved: float = 0.0
    unfed: float = 0.0
    # The first step's time is not known: the engine was idle before.
    has_begun: bool = False

    def note(self, step: Step) -> None:
        """Take one step, with what ran in it."""
        seconds = step.seconds if self.has_begun else 0.0
        self.has_begun = True
        self.total += seconds
        possible = min(self.slots, self.unfinished)
        if step.running < possible and not step.waiting:
            self.starved += seconds
            if self.counted.in_flight + step.finished < possible:
                self.unfed += seconds
        self.unfinished -= step.finished


class BarrierFeeder(Feeder):
    """Waits for a whole chunk before it opens the next one."""

    async def _take_turn(self) -> None:
        held = next(iter(self._turns)).held
        await super()._take_turn()
        while held.is_read and held.outstanding:
            await asyncio.sleep(0.002)


def run(options: Options) -> Report:
    """Compare the window with a barrier after each chunk."""
    report = Report("engine starvation: window / barrier every 256 lines")
    count = options.size(1_000, 520)
    lines = list(mixed_lines(count, model=MODEL))
    steps = Warm("steps", slots=64, step_seconds=0.005)
    _compare(report, steps, lines, options, "engine of 5 ms steps, 64 slots")
    steps.stop()
    _compare(report, warm.observed(), lines, options, "vLLM, 32 slots")
    return report


def _compare(
    report: Report, engine: Warm, lines: list[bytes], options: Options, where: str
) -> None:
    def window() -> Found:
        return _measure(engine, lines)

    def chunks() -> Found:
        with patch.object(product, "Feeder", BarrierFeeder):
            return _measure(engine, lines, BATCH_CHUNK_LINES=BARRIER_LINES)

    ours, theirs = in_turn([window, chunks], options.pairs)
    speed = median(b[0] / a[0] for a, b in zip(ours, theirs, strict=True))
    starved, unfed = (median(found[i] for found in ours) for i in (1, 2))
    others, other = (median(found[i] for found in theirs) for i in (1, 2))
    report.add(
        "G3",
        f"% of the time the engine's core has a free slot, {where}",
        100 * starved,
        at_most=1,
        detail=f"barrier: {100 * others:.1f} %; the window is {speed:.2f} times as"
        " fast",
    )
    report.add("G3", f"window / barrier, {where}", starved / others, at_most=0.1)
    report.add(
        "G3",
        f"% of the time we had handed over too little, {where}",
        100 * unfed,
        detail=f"barrier: {100 * other:.1f} %; the rest is vLLM's front end at work",
    )


def _measure(engine: Warm, lines: list[bytes], **settings: Any) -> Found:
    with Counted(engine.engine) as counted:
        found = Starvation(len(lines), engine.engine.concurrency, counted)
        with observed(engine.engine, found):
            seconds = engine.run(lines, **settings).seconds
    return seconds, found.starved / found.total, found.unfed / found.total


@contextmanager
def observed(engine: Any, found: Starvation) -> Iterator[None]:
    """Report an engine's steps to `found`."""
    if isinstance(engine, StepEngine):
        engine.on_step = found.note
        yield
        engine.on_step = None
        return
    core = engine._client.engine_core
    receive, watch = core.get_output_async, VllmSteps(found)

    async def watched() -> Any:
        outputs = await receive()
        watch.note(outputs)
        return outputs

    core.get_output_async = watched
    yield
    core.get_output_async = receive


class VllmSteps:
    """Turns what vLLM's engine core sends into steps, by the core's own clock."""

    def __init__(self, found: Starvation) -> None:
        self._found = found
        self._last = 0.0
        self._finished = 0

    def note(self, outputs: Any) -> None:
        """Take one message: at most one step."""
        self._finished += sum(o.finish_reason is not None for o in outputs.outputs)
        stats = outputs.scheduler_stats
        if stats is None:
            return
        seconds = outputs.timestamp - self._last if self._last else 0.0
        self._last, finished, self._finished = outputs.timestamp, self._finished, 0
        ran = stats.num_running_reqs + finished
        self._found.note(Step(seconds, ran, stats.num_waiting_reqs, finished))
