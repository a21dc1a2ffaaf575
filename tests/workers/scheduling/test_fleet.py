"""The policy keeps its bounds on a simulated fleet: bench/fleet.py in small."""

import pytest

from bench.fleet import compare, interleaved, small_case
from bench.fleet_optimum import fewest_swaps, least_missed
from bench.fleet_policies import ours
from bench.fleet_world import HOUR, Job, World, draw_jobs, fresh, simulate
from workers.scheduling.policy import Terms


@pytest.mark.parametrize(
    ("gpus", "models", "swap"), [(1, 4, 45), (1, 4, 1.5), (4, 6, 45)]
)
def test_it_misses_no_more_than_edf_and_swaps_less(gpus, models, swap):
    drawn = [
        draw_jobs(seed, gpus=gpus, models=models, jobs=150, load=0.85)
        for seed in range(3)
    ]

    found = compare(drawn, World(gpus, swap))

    assert found["ours"].missed <= found["EDF"].missed + 1
    assert found["ours"].swaps < found["EDF"].swaps


def test_an_interleaved_queue_in_no_hurry_costs_one_swap_a_model():
    jobs = interleaved()

    found = simulate(fresh(jobs), World(1, 45), ours())

    assert found.swaps - 1 <= 1.2 * fewest_swaps(jobs)


def test_small_cases_are_near_the_exact_optimum():
    swaps = best = 0.0
    for seed in range(40):
        jobs = small_case(seed)
        best += least_missed(jobs, 45).swaps
        swaps += simulate(fresh(jobs), World(1, 45), ours()).swaps - 1

    assert swaps <= 1.2 * best


def test_no_model_waits_for_ever():
    """A stream of work keeps one model busy; the other's window is endless."""
    terms = Terms(quantum_seconds=300, patience_seconds=HOUR)
    stream = [Job(n, "a", 60.0 * n, 1e9, 60.0) for n in range(500)]
    other = Job(500, "b", 30.0, 1e9, 60.0)

    simulate([*stream, other], World(1, 45), ours(terms))

    assert other.ended_at is not None
    assert other.ended_at - other.arrival <= HOUR + 300


def test_several_workers_do_not_all_load_the_same_small_job():
    jobs = [Job(n, f"m{n}", 0.0, 1e9, 200.0) for n in range(4)]

    found = simulate(jobs, World(4, 45), ours())

    assert found.swaps == 4
