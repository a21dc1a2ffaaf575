"""100 million lines on 10, 100 and 1,000 GPUs: where it breaks, what comes next.

The fleet is simulated with the product's own policy. What it asks of the database is
what the product's functions ask of a real PostgreSQL here (bench/load.py), with as many
open chunks, times how often a worker calls them.
"""

import random
from dataclasses import dataclass

from bench.fleet_policies import ours
from bench.fleet_world import Job, World, simulate
from bench.load import BATCH_LINES, Loads, backlog, measure
from bench.options import Options
from bench.plan_limits import LIMITS, Asked, calls_of
from bench.report import Report

LINES = 100_000_000
FLEETS = (10, 100, 1_000)
MODELS, SWAP_SECONDS = 40, 45.0
# Lines a second of a GPU: an 8B model on a consumer card; a small one on a large card.
PACES = (10.0, 100.0)
SEGMENT_SECONDS = (1.0, 10.0)
# In no hurry: what is asked is how long it takes.
DEADLINE = 400 * 86_400.0


@dataclass(frozen=True)
class Course:
    """How a fleet went through it: hours, and per cent of the GPUs' time at work."""

    hours: float
    busy: float
    swaps: int


def run(options: Options) -> Report:
    """Print how each fleet fares, what it asks of the database, and what gives way."""
    lines = options.size(LINES, 1_000_000)
    with backlog(lines) as made:
        loads = measure(made, options.size(200, 20))
    _print_loads(loads, lines)
    report = Report(f"{lines:,} lines on {', '.join(map(str, FLEETS))} GPUs")
    _print_head()
    for pace in PACES:
        for gpus in FLEETS:
            course = course_of(lines, gpus, pace)
            for seconds in SEGMENT_SECONDS:
                asked = calls_of(gpus, pace, seconds).of(loads)
                _print_row(gpus, pace, seconds, course, asked)
                _note(report, gpus, pace, seconds, asked)
    return report


def course_of(lines: int, gpus: int, pace: float) -> Course:
    """Let the fleet work through all lines, which are there from the start."""
    jobs = _jobs(lines, gpus, pace)
    work = sum(job.work for job in jobs)
    world = World(gpus, SWAP_SECONDS, quantum=max(60.0, work / gpus / 40))
    result = simulate(jobs, world, ours())
    seconds = max(job.ended_at or 0.0 for job in jobs)
    return Course(seconds / 3600, 100 * work / gpus / seconds, result.swaps)


def _jobs(lines: int, gpus: int, pace: float) -> list[Job]:
    """Return batches of 50,000 lines; on many GPUs each is worked at by several."""
    rng = random.Random(gpus)
    names = [f"m{number}" for number in range(MODELS)]
    weights = [1 / (rank + 1) for rank in range(MODELS)]
    batches = max(1, lines // BATCH_LINES)
    shares = max(1, -(-4 * gpus // batches))
    models = rng.choices(names, weights, k=batches)
    return [
        Job(number, model, 0.0, DEADLINE, BATCH_LINES / pace / shares)
        for number, model in enumerate(models * shares)
    ]


def _print_loads(loads: Loads, lines: int) -> None:
    print(f"\nWhat one call asks of PostgreSQL, with {lines:,} lines waiting:\n")
    print("| call | statements | writes | server's CPU | answer | batch row held |")
    print("|---|---|---|---|---|---|")
    for name, load in loads.items():
        held = f"{1e3 * load.held:.1f} ms" if load.held else ""
        print(
            f"| {name} | {load.statements} | {load.writes} | {1e3 * load.cpu:.2f} ms"
            f" | {1e3 * load.wall:.1f} ms | {held} |"
        )


def _print_head() -> None:
    print(
        "\n| GPUs | lines/s each | hours | at work | swaps | segment every |"
        " statements/s | commits/s | PostgreSQL's cores | connections |"
        " wait for a batch's row |"
    )
    print("|---" * 11 + "|")


def _print_row(
    gpus: int, pace: float, seconds: float, course: Course, asked: Asked
) -> None:
    print(
        f"| {gpus:,} | {pace:g} | {course.hours:,.1f} | {course.busy:.0f} % |"
        f" {course.swaps} | {seconds:g} s | {asked.statements:,.0f} |"
        f" {asked.commits:,.0f} | {asked.cores:.1f} | {asked.connections:,} |"
        f" {asked.row_seconds:.2f} s |"
    )


def _note(report: Report, gpus: int, pace: float, seconds: float, asked: Asked) -> None:
    """Say which limits are reached, the one that is exceeded most first."""
    broken = [(limit.of(asked) / limit.most, limit) for limit in LIMITS]
    broken.sort(key=lambda pair: -pair[0])
    worst, limit = broken[0]
    over = [one for share, one in broken if share > 1]
    what = f"{gpus:,} GPUs at {pace:g} lines/s, a segment every {seconds:g} s"
    detail = "; ".join(f"{one.what} → {one.then}" for one in over)
    report.add(
        "plan",
        f"of the nearest limit ({limit.what}): {what}",
        worst,
        detail=detail or "holds",
    )
