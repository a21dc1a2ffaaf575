"""The plan for large fleets and the figures of `bench workers` follow from theirs."""

import pytest

from bench.load import Load
from bench.plan import course_of
from bench.plan_limits import LIMITS, calls_of
from bench.workers import speeds

LOADS = {
    name: Load(statements=3, writes=1, cpu=0.001, wall=0.002, held=0.004)
    for name in calls_of(1, 10, 1).rates
}


def test_a_fleet_takes_as_long_as_its_work_and_its_swaps():
    course = course_of(1_000_000, 10, 100)

    assert course.busy == pytest.approx(100, abs=15)
    assert course.hours == pytest.approx(1_000_000 / 100 / 10 / 3600, rel=0.2)


def test_ten_times_the_workers_ask_ten_times_as_much():
    small, large = (calls_of(gpus, 10, 1).of(LOADS) for gpus in (10, 100))

    assert large.statements == pytest.approx(10 * small.statements)
    assert large.cores == pytest.approx(10 * small.cores)
    assert large.connections == 10 * small.connections


def test_longer_segments_are_fewer_commits():
    often, seldom = (calls_of(1, 10, s).rates["segment"] for s in (1, 10))

    assert seldom < often / 5
    assert often < 8  # the chunks that may be open


def test_every_limit_says_what_comes_next():
    asked = calls_of(10_000, 100, 1).of(LOADS)

    assert all(limit.then for limit in LIMITS)
    assert any(limit.of(asked) > limit.most for limit in LIMITS)


def test_the_steady_speed_leaves_out_the_beginning_and_the_end():
    # Nothing for ten seconds, then ten lines each second, and a late straggler.
    commits = [(10.0 + n, 10) for n in range(100)] + [(200.0, 10)]

    steady, whole = speeds(commits, 1010)

    assert steady == pytest.approx(10)
    assert whole == pytest.approx(1010 / 200)
