"""Several workers share one queue of doorbells; none of them is left asleep."""

import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.conformance.client import line
from tests.rig.stack import PYTHON, Stack
from tests.topology.clients import project

pytestmark = pytest.mark.topology

SLOTS = ("gpu0", "gpu1", "gpu2")
SECONDS = 120


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """Three workers that are to have a model warm before any batch comes."""
    stack = Stack(BATCH_CHUNK_LINES="20", WORKER_WINDOW="4", WORKER_QUANTUM_SECONDS="1")
    with stack.watched():
        stack.prepare()
        stack.start_stub()
        stack.start_web()
        for slot in SLOTS:
            command = (PYTHON, "manage.py", "runworker", "--slot", slot)
            stack.launch(f"worker-{slot}", *command, "--preload", "stub")
        yield stack


def workers(stack: Stack, key: str) -> dict[str, Any]:
    """Return what the server tells of each worker to who has a key."""
    url = stack.base_url.removesuffix("/v1") + "/health"
    headers = {"Authorization": f"Bearer {key}"}
    found = httpx.get(url, headers=headers, trust_env=False, timeout=60).json()
    told: dict[str, Any] = found["details"]["workers"]
    return told


def test_every_worker_loads_what_is_to_be_warm(stack):
    key, ends_at = stack.new_key(), time.monotonic() + SECONDS
    while (
        not (told := workers(stack, key))
        or len(told) < len(SLOTS)
        or not all(worker["model"] == "stub" for worker in told.values())
    ):
        assert time.monotonic() < ends_at, told
        time.sleep(0.5)


def test_a_batch_is_worked_at_by_all_of_them(stack):
    key, ids = stack.new_key(), [str(n) for n in range(400)]
    with project(stack.base_url, key) as api:
        batch = api.run(*[line(n, f"SLEEP 0.2 {n}") for n in ids], seconds=SECONDS)

        assert set(api.union(batch, ids)) == set(ids)
    done = [worker["requests_done"] for worker in workers(stack, key).values()]
    assert len(done) == len(SLOTS) and min(done) > 0
