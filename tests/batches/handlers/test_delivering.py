"""Events reach their endpoints: again and again, until they are told to stop."""

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import openai
import pytest

from batches.handlers import attempts
from batches.handlers.running import run_next
from batches.handlers.webhook import actions, delivering
from batches.handlers.webhook.delivering import (
    deliver_next,
    due_deliveries,
    pause_seconds,
)
from batches.handlers.webhook.sending import NoAnswer, Reply
from batches.models import BatchJob, HandlerRun, WebhookDelivery, WebhookEndpoint
from tests.batches.ending import GOOD, make_ended
from tests.batches.handlers.cast import delivery, make_endpoint
from tests.rig.receiver import receiving
from vllm_batch.lib.clock import database_now
from vllm_batch.lib.conf import conf

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)
client = openai.OpenAI(api_key="none", base_url="http://127.0.0.1:9")


def make_delivery(**fields: Any) -> WebhookDelivery:
    """End a batch of a project with one endpoint."""
    endpoint = make_endpoint(**fields)
    make_ended(GOOD, project=endpoint.project)
    assert run_next("webhook")
    return delivery()


def make_due() -> None:
    """Let the time pass that a delivery and its endpoint wait."""
    WebhookDelivery.objects.update(next_attempt_at=database_now() - MINUTE)
    WebhookEndpoint.objects.update(paused_until=None)


@pytest.fixture
def replies(monkeypatch) -> list[Any]:
    """Replies or errors that receivers give, one after the other."""
    queue: list[Any] = []

    def post(url: str, body: bytes, headers: dict[str, str], **_: Any) -> Reply:
        reply = queue.pop(0)
        if isinstance(reply, Exception):
            raise reply
        return Reply(reply) if isinstance(reply, int) else reply

    monkeypatch.setattr(delivering, "post", post)
    return queue


def test_an_event_is_delivered_as_the_client_expects_it(loopback):
    with receiving(200) as receiver:
        row = make_delivery(url=receiver.url)
        assert deliver_next(row.endpoint_id) and not deliver_next(row.endpoint_id)

    (post,) = receiver.posts
    event = client.webhooks.unwrap(post.body, post.headers, secret=row.endpoint.secret)
    batch = BatchJob.objects.get()
    assert event.type == "batch.completed" and event.data.id == batch.pk
    assert batch.completed_at and event.created_at == int(
        batch.completed_at.timestamp()
    )
    assert event.id.startswith("evt_") and event.object == "event"
    assert post.headers["webhook-id"] == row.webhook_id != event.id
    assert (delivery().status, delivery().status_code) == ("succeeded", 200)


def test_each_attempt_has_the_same_id_and_body_and_a_signature_of_its_own(
    loopback, monkeypatch
):
    clock = iter([1_790_000_000, 1_790_000_400, 1_790_000_900])
    fake = SimpleNamespace(time=lambda: next(clock))
    monkeypatch.setattr(delivering, "time", fake)
    with receiving(500, 500, 200) as receiver:
        row = make_delivery(url=receiver.url)
        for _ in range(3):
            deliver_next(row.endpoint_id)
            make_due()

    sent = [post.headers for post in receiver.posts]
    assert {headers["webhook-id"] for headers in sent} == {row.webhook_id}
    assert len({post.body for post in receiver.posts}) == 1
    assert len({headers["webhook-timestamp"] for headers in sent}) == 3
    assert len({headers["webhook-signature"] for headers in sent}) == 3


def test_the_schedule_has_ten_attempts_over_three_days(replies):
    row = make_delivery()
    replies += [500] * 10
    waits = []
    for _ in range(10):
        before = database_now()
        assert deliver_next(row.endpoint_id)
        waits.append((delivery().next_attempt_at - before).total_seconds())
        make_due()

    planned = [5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400]
    assert planned == conf().WEBHOOK_RETRY_SECONDS
    for wait, plan in zip(waits, planned, strict=False):
        assert plan - 1 <= wait <= 1.1 * plan + 1
    assert 72 * 3600 <= sum(planned) <= 80 * 3600
    assert (delivery().status, delivery().attempts) == ("dead", 10)
    assert delivery().last_error == "HTTP 500" and not deliver_next(row.endpoint_id)


@pytest.mark.parametrize(
    "reply", [301, 404, 429, 503, NoAnswer("it did not answer within 15 s")]
)
def test_whatever_is_no_2xx_is_tried_again(replies, reply):
    row = make_delivery()
    replies.append(reply)

    deliver_next(row.endpoint_id)

    assert delivery().status == "pending" and delivery().last_error


def test_an_address_that_became_private_is_tried_again(monkeypatch):
    import socket

    entry = (socket.AF_INET, 1, 6, "", ("10.0.0.1", 443))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [entry])
    row = make_delivery()

    deliver_next(row.endpoint_id)

    assert delivery().status == "pending" and "10.0.0.1" in delivery().last_error


@pytest.mark.parametrize(("retry_after", "wait"), [(1000.0, 1000), (1.0, 5)])
def test_retry_after_may_lengthen_the_wait_only(replies, retry_after, wait):
    row = make_delivery()
    replies.append(Reply(429, retry_after))
    before = database_now()

    deliver_next(row.endpoint_id)

    waited = (delivery().next_attempt_at - before).total_seconds()
    assert wait - 1 < waited < wait * 1.1 + 1


def test_gone_disables_the_endpoint(replies):
    row = make_delivery()
    replies.append(410)

    deliver_next(row.endpoint_id)

    endpoint = WebhookEndpoint.objects.get()
    assert delivery().status == "dead"
    assert not endpoint.is_enabled and "410" in endpoint.disabled_reason
    make_ended(GOOD, project=endpoint.project)
    run_next("webhook")
    assert WebhookDelivery.objects.count() == 1


def test_what_a_dead_process_held_is_sent_again(replies):
    row = make_delivery()
    held = attempts.claim(due_deliveries(), 60, [5])
    assert held is not None and not deliver_next(row.endpoint_id)
    WebhookDelivery.objects.update(lease_expires_at=database_now() - MINUTE)
    replies.append(200)

    assert not deliver_next(row.endpoint_id) and delivery().status == "pending"
    make_due()
    assert deliver_next(row.endpoint_id)

    assert (delivery().status, delivery().attempts) == ("succeeded", 2)


def test_what_kills_the_process_each_time_is_given_up(configure, replies):
    configure(WEBHOOK_RETRY_SECONDS=[])
    row = make_delivery()
    attempts.claim(due_deliveries(), 60, [])
    WebhookDelivery.objects.update(lease_expires_at=database_now() - MINUTE)

    assert not deliver_next(row.endpoint_id)

    assert delivery().status == "dead"


def test_the_breaker_opens_after_five_failures_and_closes_with_a_success(replies):
    row = make_delivery()
    replies += [500] * 5 + [200]
    for _ in range(5):
        make_due()
        deliver_next(row.endpoint_id)
    WebhookDelivery.objects.update(next_attempt_at=database_now() - MINUTE)

    assert not deliver_next(row.endpoint_id)

    make_due()
    assert deliver_next(row.endpoint_id)
    endpoint = WebhookEndpoint.objects.get()
    assert (endpoint.failures_in_row, endpoint.paused_until) == (0, None)


def test_a_breaker_stops_all_deliveries_of_its_endpoint_and_no_others(replies):
    row = make_delivery()
    WebhookEndpoint.objects.update(paused_until=database_now() + MINUTE)
    other = make_endpoint(row.endpoint.project)
    make_ended(GOOD, project=row.endpoint.project)
    run_next("webhook")

    waiting = due_deliveries().values_list("endpoint", flat=True)

    assert list(waiting) == [other.pk]


@pytest.mark.parametrize(
    ("failures", "pause"), [(0, 0), (4, 0), (5, 60), (6, 120), (10, 1920), (99, 3600)]
)
def test_the_breakers_pause_doubles_up_to_an_hour(failures, pause):
    assert pause_seconds(failures) == pause


def test_only_the_events_an_endpoint_wants_are_sent():
    endpoint = make_endpoint(event_types=["batch.failed"])
    make_ended(GOOD, project=endpoint.project)

    run_next("webhook")

    assert not WebhookDelivery.objects.exists()


def test_no_other_project_hears_of_it():
    make_endpoint()
    make_ended(GOOD)

    run_next("webhook")

    assert not WebhookDelivery.objects.exists()


def test_handling_twice_delivers_once():
    row = make_delivery()
    HandlerRun.objects.filter(handler="webhook").update(status="pending")

    assert run_next("webhook")

    assert delivery() == row


def test_deleting_an_endpoint_ends_what_waits_for_it():
    row = make_delivery()

    actions.delete(row.endpoint)

    assert not deliver_next(row.endpoint_id)
    assert delivery().status == "dead" and row.endpoint.secret == ""


def test_a_replay_sends_the_same_again_at_once(replies):
    row = make_delivery()
    replies += [410, 200]
    deliver_next(row.endpoint_id)
    actions.update(row.endpoint, is_enabled=True)
    WebhookEndpoint.objects.update(paused_until=database_now() + MINUTE)

    assert actions.replay(WebhookDelivery.objects.all()) == 1

    assert deliver_next(row.endpoint_id)
    assert delivery().status == "succeeded" and delivery().webhook_id == row.webhook_id


def test_no_secret_is_logged_or_kept_with_the_delivery(replies, caplog):
    row = make_delivery()
    replies += [NoAnswer("Connection refused"), 200]
    with caplog.at_level("DEBUG"):
        deliver_next(row.endpoint_id)
        make_due()
        deliver_next(row.endpoint_id)

    secret = row.endpoint.secret.removeprefix("whsec_")
    assert secret not in caplog.text
    assert secret not in str(WebhookDelivery.objects.values().get())
