"""Cases P-W: webhooks (contract 10), sent to a real receiver."""

import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import openai
import pytest

from tests.conformance.client import Api, envelope, jsonl, line
from tests.rig.receiver import Receiver, receiving

pytestmark = pytest.mark.conformance
EVENTS: Any = [
    "batch.completed",
    "batch.failed",
    "batch.expired",
    "batch.cancelled",
]
OTHERS: Any = ["batch.failed"]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A receiver that answers 200 unless told otherwise."""
    with receiving(200) as receiver:
        yield receiver


def hook(api: Api, receiver: Receiver, **changes: Any) -> Any:
    """Make an endpoint at the receiver, by the SDK."""
    fields: Any = {"name": "ours", "url": receiver.url, "event_types": EVENTS}
    return api.client.webhooks.create(**{**fields, **changes})


def wait_for(receiver: Receiver, count: int, seconds: float = 30) -> None:
    """Wait for so many posts, and a little longer for one too many."""
    ends_at = time.monotonic() + seconds
    while len(receiver.posts) < count:
        assert time.monotonic() < ends_at, receiver.posts
        time.sleep(0.05)
    time.sleep(1)
    assert len(receiver.posts) == count


def events(api: Api, receiver: Receiver, secret: str) -> list[Any]:
    """Check the signatures of all posts and return their events."""
    return [
        api.client.webhooks.unwrap(post.body, post.headers, secret=secret)
        for post in receiver.posts
    ]


def test_p_w01_a_completed_batch_is_told(api: Api, receiver: Receiver):
    endpoint = hook(api, receiver)

    batch = api.run(line("a"))

    wait_for(receiver, 1)
    (event,) = events(api, receiver, endpoint.signing_secret)
    assert type(event).__name__ == "BatchCompletedWebhookEvent"
    assert event.data.id == batch["id"] and event.object == "event"
    assert event.created_at == batch["completed_at"]
    (post,) = receiver.posts
    assert event.id.startswith("evt_") and post.headers["webhook-id"] != event.id


def test_p_w02_every_end_is_told_and_nothing_else(api: Api, receiver: Receiver):
    endpoint = hook(api, receiver)
    slow = jsonl(line("a", "SLEEP 30 x"))
    failed = api.run("oops")["id"]
    expired = api.mk(api.up(slow).id, completion_window="5s").id
    cancelled = api.mk(api.up(slow).id).id
    api.wait(cancelled, until=("in_progress",))
    api.client.batches.cancel(cancelled)

    api.wait(expired)
    api.wait(cancelled)

    wait_for(receiver, 3)
    told = events(api, receiver, endpoint.signing_secret)
    assert {(event.data.id, event.type) for event in told} == {
        (failed, "batch.failed"),
        (expired, "batch.expired"),
        (cancelled, "batch.cancelled"),
    }


def test_p_w03_a_failed_delivery_is_tried_again(api: Api, receiver: Receiver):
    receiver.answers[:] = [500, 500, 200]
    endpoint = hook(api, receiver)

    api.run(line("a"))

    wait_for(receiver, 3)
    events(api, receiver, endpoint.signing_secret)
    posts = receiver.posts
    assert len({post.headers["webhook-id"] for post in posts}) == 1
    assert len({post.body for post in posts}) == 1
    moments = [int(post.headers["webhook-timestamp"]) for post in posts]
    assert moments == sorted(set(moments))


def test_the_batch_and_its_files_are_there_when_it_is_told(
    api: Api, receiver: Receiver
):
    seen: list[Any] = []

    def look(handler: Any) -> None:
        batch_id = api.client.batches.list(limit=1).data[0].id
        seen.append(api.batch(batch_id))
        handler.send_response(204)
        handler.end_headers()

    receiver.answers[:] = [look]
    hook(api, receiver)

    api.run(line("a"))

    wait_for(receiver, 1)
    assert seen[0]["status"] == "completed" and seen[0]["output_file_id"]


def test_one_endpoint_that_hangs_delays_no_other(api: Api, receiver: Receiver):
    with receiving(lambda handler: time.sleep(20)) as hanging:
        for _ in range(3):
            hook(api, hanging)
        hook(api, receiver)

        api.run(line("a"))

        wait_for(receiver, 1, seconds=10)


def test_the_sdk_manages_endpoints(api: Api, receiver: Receiver):
    webhooks = api.client.webhooks
    made = hook(api, receiver)

    changed = webhooks.update(made.id, name="new", event_types=OTHERS)
    rotated = webhooks.rotate_secret(made.id, keep_old_secret_active_for_24_hours=True)
    tested = webhooks.test(made.id, event_type="batch.failed")

    assert (changed.name, changed.event_types) == ("new", OTHERS)
    assert rotated.signing_secret != made.signing_secret
    assert (tested.status_code, tested.success) == (200, True)
    for secret in (made.signing_secret, rotated.signing_secret):
        (event,) = events(api, receiver, secret)
        assert event.type == "batch.failed"
    assert [item.id for item in webhooks.list()] == [made.id]
    assert webhooks.event_types.list().data == [*EVENTS, "batch.progress"]
    assert webhooks.delete(made.id).deleted
    with pytest.raises(openai.NotFoundError):
        webhooks.retrieve(made.id)


def test_the_sdk_deletes_what_it_pages_over(api: Api, receiver: Receiver):
    made = {hook(api, receiver).id for _ in range(5)}

    found = set()
    for endpoint in api.client.webhooks.list(limit=2):
        api.client.webhooks.delete(endpoint.id)
        found.add(endpoint.id)

    assert found == made and list(api.client.webhooks.list()) == []


def test_a_strangers_endpoint_looks_like_none(
    api: Api, stranger: Api, receiver: Receiver
):
    endpoint = hook(api, receiver)

    for method, path in [("GET", ""), ("DELETE", ""), ("POST", "/test")]:
        found = stranger.raw(method, f"/webhook_endpoints/{endpoint.id}{path}")
        envelope(found, 404, text="No webhook endpoint found")


def test_an_address_inside_is_refused(api: Api):
    body = {"name": "a", "url": "https://169.254.169.254/", "event_types": EVENTS}

    response = api.raw("POST", "/webhook_endpoints", json=body)

    envelope(response, 400, param="url", code="invalid_value")


def test_bad_receivers_delay_none_of_many_good_ones(api: Api, receiver: Receiver):
    """Case T53, with as many endpoints as a project may have."""

    def flood(handler: Any) -> None:
        handler.send_response(200)
        handler.end_headers()
        with suppress(OSError):
            for _ in range(1 << 16):  # 1 GiB
                handler.wfile.write(bytes(1 << 14))

    arrived: list[float] = []

    def note(handler: Any) -> None:
        arrived.append(time.monotonic())
        handler.send_response(204)
        handler.end_headers()

    receiver.answers[:] = [note]
    resets: Any = lambda handler: handler.connection.close()  # noqa: E731
    with (
        receiving(lambda handler: time.sleep(20)) as hanging,
        receiving(flood) as flooding,
        receiving(resets) as resetting,
    ):
        for bad in (hanging, flooding, resetting):
            hook(api, bad)
        for _ in range(97):
            hook(api, receiver)
        ended_at = api.run(line("a")) and time.monotonic()

        wait_for(receiver, 97)

        waits = sorted(moment - ended_at for moment in arrived)
        assert waits[int(0.95 * len(waits))] < 10, waits
