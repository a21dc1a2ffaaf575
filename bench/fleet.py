"""G10: swaps and missed deadlines of policies on a simulated fleet, side by side.

No engine and no database: seeded jobs, priced swaps. `ours` is
`workers.scheduling.policy` itself.
"""

import random
from dataclasses import astuple
from statistics import mean

from bench.fleet_optimum import fewest_swaps, least_missed
from bench.fleet_policies import all_policies
from bench.fleet_world import Job, Result, World, draw_jobs, fresh, simulate
from bench.options import Options
from bench.report import Report

COLD_SECONDS, SLEEP_SECONDS = 45.0, 1.5
# GPUs, models, jobs, and with how many seeds.
FLEETS = ((1, 4, 400, 8), (8, 12, 1_000, 3), (64, 40, 2_000, 1))
QUICK = ((1, 4, 200, 2), (8, 12, 200, 1))
SMALL_CASES = 40
TIGHT, TIGHTEST = (0.4, 1.0), (0.3, 0.8)
Results = dict[str, Result]


def run(options: Options) -> Report:
    """Print the table of policies, and hold ours against EDF and the optimum."""
    report = Report("fleet simulation: FIFO, EDF, round robin, ours")
    fleets = QUICK if options.is_quick else FLEETS
    print("\n| fleet | policy | missed | swap share | swaps/job | turnaround |")
    print("|---|---|---|---|---|---|")
    for gpus, models, jobs, seeds in fleets:
        for swap in (COLD_SECONDS, SLEEP_SECONDS):
            where = f"{gpus} GPU, {models} models, {swap:g} s"
            drawn = [
                draw_jobs(seed, gpus=gpus, models=models, jobs=jobs)
                for seed in range(seeds)
            ]
            results = compare(drawn, World(gpus, swap))
            _print_rows(where, results)
            ours, edf = results["ours"], results["EDF"]
            report.add(
                "G10",
                f"missed deadlines, points over EDF: {where}",
                ours.missed - edf.missed,
                at_most=1,
                detail=f"swaps a job {ours.swaps_per_job:.2f}, EDF"
                f" {edf.swaps_per_job:.2f}",
            )
    _interleaved(report)
    _small_cases(report, 10 if options.is_quick else SMALL_CASES)
    return report


def compare(drawn: list[list[Job]], world: World) -> Results:
    """Return each policy's mean result over several draws of jobs."""
    results: Results = {}
    for name in all_policies():
        runs = [simulate(fresh(jobs), world, all_policies()[name]) for jobs in drawn]
        columns = zip(*map(astuple, runs), strict=True)
        results[name] = Result(*(mean(column) for column in columns))
    return results


def _print_rows(where: str, results: Results) -> None:
    for name, found in results.items():
        print(
            f"| {where} | {name} | {found.missed:.1f} % | {found.swap_share:.1f} %"
            f" | {found.swaps_per_job:.2f} | {found.turnaround / 60:.1f} min |"
        )


def interleaved() -> list[Job]:
    """Return 4 models × 50 jobs, all there at once and in no hurry."""
    jobs = draw_jobs(4, gpus=1, models=4, jobs=200)
    return [
        Job(job.number, f"m{job.number % 4}", 0.0, 1e9, min(job.work, 60.0))
        for job in jobs
    ]


def _interleaved(report: Report) -> None:
    jobs, world = interleaved(), World(1, COLD_SECONDS)
    results = compare([jobs], world)
    _print_rows("4 models × 50 jobs, no deadlines", results)
    # The first load is none: there is nothing to swap for.
    best = fewest_swaps(jobs)
    others = ", ".join(
        f"{name} {found.swaps - 1:.0f}" for name, found in results.items()
    )
    report.add(
        "G10",
        "swaps / optimum's, 4 models × 50 jobs, no deadlines",
        (results["ours"].swaps - 1) / best,
        at_most=1.2,
        detail=f"optimum {best}; {others}",
    )


def _small_cases(report: Report, count: int) -> None:
    """Hold ours against an exact search, with deadlines that leave little choice."""
    for spread in (TIGHT, TIGHTEST):
        world = World(1, COLD_SECONDS)
        draws = [small_case(seed, spread) for seed in range(count)]
        best = [least_missed(jobs, world.swap) for jobs in draws]
        swaps = sum(one.swaps for one in best)
        missed = 100 * sum(one.missed for one in best) / sum(map(len, draws))
        found = compare(draws, world)
        where = f"{count} cases of 3 models × 3 jobs, deadlines from {spread[0]:g}"
        _print_rows(where, found)
        print(f"| {where} | optimum | {missed:.1f} % | | {swaps / count / 9:.2f} | |")
        ours, edf = found["ours"], found["EDF"]
        detail = f"missed {ours.missed:.1f} %, EDF {edf.missed:.1f} %,"
        detail += f" optimum {missed:.1f} %; EDF's swaps"
        report.add(
            "G10",
            f"swaps / exact optimum's, {where}",
            count * (ours.swaps - 1) / swaps,
            at_most=1.2,
            detail=f"{detail} {count * (edf.swaps - 1) / swaps:.2f}",
        )
        report.add(
            "G10",
            f"missed deadlines, points over EDF, {where}",
            ours.missed - edf.missed,
            at_most=1,
        )


def small_case(seed: int, spread: tuple[float, float] = TIGHT) -> list[Job]:
    """Return nine jobs that are all there, half of them in a hurry.

    Their deadlines lie in this part of the time that all work and three swaps take,
    and two quanta after it.
    """
    rng = random.Random(seed)
    works = [rng.uniform(30, 300) for _ in range(9)]
    total = sum(works) + 3 * COLD_SECONDS
    jobs = []
    for number, work in enumerate(works):
        deadline = rng.uniform(*spread) * total if rng.random() < 0.5 else 10 * total
        jobs.append(Job(number, f"m{number % 3}", 0.0, deadline + 120, work))
    return jobs
