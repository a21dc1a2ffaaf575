"""kill -9 of the ops queue's workers while they send webhooks (T52)."""

import json
import random
import threading
import time
from collections import defaultdict
from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from typing import Any

import openai
import pytest

from tests.rig.history import Recorder, lines
from tests.rig.receiver import Post, receiving
from tests.rig.rig import Rig, scale
from tests.rig.tree import kill

pytestmark = [pytest.mark.faults, pytest.mark.timeout(1200)]

KILLS = scale(3, 20)
AT_ONCE = 3
TYPES = ["batch.completed", "batch.progress"]
# What a batch that completes has to tell: its type, and the percent of a milestone.
EXPECTED = {("batch.progress", 25), ("batch.progress", 50), ("batch.progress", 75),
            ("batch.completed", None)}  # fmt: skip


class Murderer:
    """A receiver's answer that kills those who send, just before it or just after."""

    def __init__(self, rig: Rig, rng: random.Random) -> None:
        self._rig, self._rng = rig, rng
        self._lock = threading.Lock()
        self._killed: set[int] = set()
        self.kills = 0
        self.is_over = False

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        """Answer 204, or kill first: the attempt is then in flight for certain."""
        # The first kill is certain to leave something that has to be sent again.
        is_before = not self.kills or self._rng.random() < 0.5
        if is_before:
            self.kill()
        with suppress(OSError):
            handler.send_response(204)
            handler.end_headers()
            handler.wfile.flush()
        if not is_before:
            time.sleep(self._rng.uniform(0, 0.03))
            self.kill()

    def kill(self) -> None:
        """Kill the workers of the ops queue, unless these were killed before."""
        with self._lock:
            workers = self._rig.tree.of("ops", "worker")
            pids = {worker.pid for worker in workers}
            if self.is_over or not pids or pids & self._killed:
                return
            if sum(map(kill, workers)) == len(workers):
                self.kills += 1
                self.is_over = self.kills >= KILLS
            self._killed |= pids


def make_endpoint(client: Recorder, url: str) -> str:
    """Make an endpoint over the API and return its secret."""
    order = {"name": "ours", "url": url, "event_types": TYPES}
    answer = client.send("POST", "/webhook_endpoints", json=order)
    secret: str = answer.json()["signing_secret"]
    return secret


def heard(posts: list[Post]) -> dict[str, dict[tuple[str, int | None], set[str]]]:
    """Return, for each batch, the events that came and the webhook ids they had."""
    found: Any = defaultdict(lambda: defaultdict(set))
    for post in list(posts):
        event = json.loads(post.body)
        kind = (event["type"], event["data"].get("percent"))
        found[event["data"]["id"]][kind].add(post.headers["webhook-id"])
    return dict(found)


def test_every_event_arrives_under_one_id_however_often_the_sender_is_killed(
    rig: Rig, client: Recorder, rng: random.Random
):
    murderer = Murderer(rig, rng)
    batches: list[str] = []
    with receiving(murderer.answer) as receiver:
        secret = make_endpoint(client, receiver.url)
        ends_at = time.monotonic() + 30 * KILLS
        while not murderer.is_over:
            assert time.monotonic() < ends_at, f"only {murderer.kills} kills"
            names = [f"w{len(batches)}-{one}" for one in range(AT_ONCE)]
            new = [client.submit(lines(name, 20)) for name in names]
            for batch in new:
                client.finish(batch, 90)
            batches += new
        wait_until_all_is_sent(rig, batches)

    events = heard(receiver.posts)
    assert {batch: set(events[batch]) for batch in batches} == dict.fromkeys(
        batches, EXPECTED
    )
    assert all(len(ids) == 1 for kinds in events.values() for ids in kinds.values())
    ids = {post.headers["webhook-id"] for post in receiver.posts}
    assert len(receiver.posts) > len(ids) == len(EXPECTED) * len(batches)
    api = openai.OpenAI(api_key="none", base_url="http://127.0.0.1:9")
    for post in receiver.posts:
        # Longer than a long run takes.
        api.webhooks.verify_signature(
            post.body, post.headers, secret=secret, tolerance=3600
        )
    print(f"{murderer.kills} kills, {len(ids)} events, {len(receiver.posts)} posts")
    client.must_be_good()


def wait_until_all_is_sent(rig: Rig, batches: list[str]) -> None:
    """Wait until these batches' deliveries have all succeeded, each made once."""
    names = ", ".join(f"'{batch}'" for batch in batches)
    rows = f"FROM vllm_batches_webhookdelivery WHERE batch_id IN ({names})"
    ends_at = time.monotonic() + 150
    wanted = {("succeeded", len(EXPECTED) * len(batches))}
    while True:
        found = set(rig.query(f"SELECT status, count(*) {rows} GROUP BY status"))
        if found == wanted:
            return
        if time.monotonic() > ends_at:
            runs = f"SELECT * FROM vllm_batches_handlerrun WHERE batch_id IN ({names})"
            open_ones = rig.query(f"{runs} AND status != 'succeeded'")
            raise AssertionError(f"{found}, not {wanted}: {open_ones}")
        time.sleep(0.2)
