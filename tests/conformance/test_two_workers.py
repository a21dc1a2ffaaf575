"""Two workers on one database share batches; nothing runs twice, nothing is lost.

Each milestone of such a batch is told once, too.
"""

import json
import time
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.conformance.client import Api, jsonl, line
from tests.rig.receiver import Receiver, receiving
from tests.rig.stack import Stack

pytestmark = [pytest.mark.conformance, pytest.mark.timeout(300)]
LINES = 400


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """A stack with two slots, whose chunks are small enough to be shared."""
    stack = Stack(
        BATCH_CHUNK_LINES="20",
        WORKER_WINDOW="8",
        # The second worker joins at once: it has nothing else to do.
        WORKER_QUANTUM_SECONDS="1",
        WEBHOOK_ALLOW_HTTP="true",
        WEBHOOK_ALLOWED_HOSTS="127.0.0.1:*",
    )
    try:
        stack.prepare()
        stack.start_stub()
        stack.start_web()
        yield stack
    finally:
        stack.stop()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Who hears of milestones."""
    with receiving(200) as receiver:
        yield receiver


def test_two_workers_share_three_batches(stack: Stack, api: Api, receiver: Receiver):
    hook = {"name": "ours", "url": receiver.url, "event_types": ["batch.progress"]}
    api.client.post("/webhook_endpoints", body=hook, cast_to=object)
    batches = []
    for number in range(3):
        items = [
            line(f"{number}-{n}", f"SLEEP 0.05 {number}-{n}") for n in range(LINES)
        ]
        file = api.up(jsonl(*items))
        batch = api.client.batches.create(
            input_file_id=file.id,
            endpoint="/v1/chat/completions",
            completion_window="24h",
        )
        batches.append(batch.id)

    stack.start_worker("gpu0")
    stack.start_worker("gpu1")

    for number, batch_id in enumerate(batches):
        batch = api.wait(batch_id, seconds=200)
        assert batch["status"] == "completed", batch
        api.union(batch, [f"{number}-{n}" for n in range(LINES)])
    assert Counter(stack.calls().values()) == {1: 3 * LINES}
    assert all(done for done in _done_by_slot(stack))
    told = [(batch, percent) for batch in batches for percent in (25, 50, 75)]
    assert _told(receiver, len(told)) == Counter(told)


def _told(receiver: Receiver, count: int) -> Counter[tuple[str, int]]:
    """Wait for so many events, and a little longer for one too many."""
    ends_at = time.monotonic() + 60
    while len(receiver.posts) < count and time.monotonic() < ends_at:
        time.sleep(0.1)
    time.sleep(2)
    data = [json.loads(post.body)["data"] for post in receiver.posts]
    return Counter((one["id"], one["percent"]) for one in data)


def _done_by_slot(stack: Stack) -> list[int]:
    script = (
        "from workers.models import Heartbeat\n"
        "print(*Heartbeat.objects.order_by('slot').values_list('requests_done',"
        " flat=True))"
    )
    done = stack.manage("shell", "--no-imports", "-c", script).split()
    assert len(done) == 2
    return [int(number) for number in done]
