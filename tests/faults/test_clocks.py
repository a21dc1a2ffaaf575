"""A worker whose clock is an hour off breaks no lease: the database's clock counts."""

from collections.abc import Iterator

import pytest

from tests.rig.history import Recorder, lines
from tests.rig.rig import Rig, scale

pytestmark = [pytest.mark.faults, pytest.mark.timeout(600)]

HOUR = 3600
SKEWS = [HOUR, -HOUR][: scale(1, 2)]


@pytest.fixture(params=SKEWS)
def skewed_worker(rig: Rig, request: pytest.FixtureRequest) -> Iterator[str]:
    """A second slot whose clock is wrong."""
    process = rig.stack.start_worker("gpu1", RIG_SKEW_SECONDS=str(request.param))
    rig.tree_of("worker-gpu1").wait_until_complete()
    yield "gpu1"
    process.stop()


def test_a_wrong_clock_breaks_no_lease(rig: Rig, client: Recorder, skewed_worker: str):
    number = scale(1500, 3000, 20_000)
    before = rig.calls()

    batch = client.submit(lines("skew", number, "SLEEP 0.02"))
    client.finish(batch, 300)

    assert rig.calls() - before == number
    client.must_be_good()
    owners = rig.query("SELECT slot FROM vllm_workers_heartbeat")
    assert (skewed_worker,) in owners


@pytest.mark.parametrize("skew", [-skew for skew in SKEWS])
def test_a_slot_alone_with_a_wrong_clock_works(rig: Rig, client: Recorder, skew: int):
    rig.stack.processes["worker"].stop()
    try:
        process = rig.stack.start_worker("gpu1", RIG_SKEW_SECONDS=str(skew))
        client.finish(client.submit(lines("alone", 50)), 60)
        process.stop()
    finally:
        rig.stack.start_worker()
    client.must_be_good()
