"""A crash between any two steps loses and doubles nothing (T08)."""

import random

import pytest

from tests.rig.history import Recorder, lines
from tests.rig.rig import Rig, scale

pytestmark = [pytest.mark.faults, pytest.mark.timeout(1200)]

# Where `fault(…)` stands in the code, and how often a small batch passes there.
POINTS = {
    "batch.saved": 1,
    "start.planned": 1,
    "start.saved": 1,
    "start.committed": 1,
    "chunk.claimed": 3,
    "segment.written": 5,
    "segment.stored": 5,
    "segment.counted": 5,
    "segment.committed": 5,
    "final.copied": 1,
    "final.stored": 1,
    "final.saved": 1,
    "final.closed": 1,
}
ROUNDS = scale(1, 2, 20)
POINTS_AT_ONCE = scale(7, len(POINTS))


def test_a_crash_at_each_point_loses_and_doubles_nothing(
    rig: Rig, client: Recorder, rng: random.Random
):
    for number in range(ROUNDS):
        points = rng.sample(list(POINTS), POINTS_AT_ONCE)
        nths = {point: rng.randint(1, POINTS[point]) for point in points}
        for point, nth in nths.items():
            rig.arm(point, nth, "kill")
        batches = [client.submit(lines(f"p{number}-{one}", 600)) for one in range(3)]
        for batch in batches:
            client.finish(batch, 120)
        missed = [point for point, nth in nths.items() if rig.passes(point) < nth]
        assert missed == []
    client.must_be_good()
    assert rig.two_engines() == []
