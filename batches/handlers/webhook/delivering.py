"""Try one delivery; decide what follows from its outcome."""

import logging
import time
from dataclasses import dataclass
from datetime import timedelta

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from batches.handlers import attempts
from batches.handlers.webhook import signing
from batches.handlers.webhook.actions import disable
from batches.handlers.webhook.sending import NoAnswer, Reply, post
from batches.handlers.webhook.targets import UnsafeUrl
from batches.metrics import WEBHOOKS
from batches.models import WebhookDelivery, WebhookEndpoint
from batches.models.webhook_delivery import WebhookDeliveryQuerySet
from vllm_batch.lib.clock import database_now
from vllm_batch.lib.conf import conf
from vllm_batch.lib.logs import working_on

logger = logging.getLogger(__name__)

LEASE_SECONDS = 60
GONE = 410
# After so many failures in a row an endpoint is left alone, longer each time.
MOST_FAILURES = 5
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 60, 3600


@dataclass(frozen=True)
class Outcome:
    """How an attempt ended: with a reply, or why there was none."""

    reply: Reply | None = None
    error: str = ""

    @property
    def is_success(self) -> bool:
        """Tell whether the event is delivered."""
        return self.reply is not None and self.reply.is_success


def due_deliveries() -> WebhookDeliveryQuerySet:
    """Return the deliveries whose time has come and whose endpoint may be sent to."""
    return WebhookDelivery.objects.due(database_now())


def deliver_next(endpoint_id: str) -> bool:
    """Try what waited longest for one endpoint; False if nothing is due."""
    due = due_deliveries().filter(endpoint=endpoint_id)
    delivery = attempts.claim(due, LEASE_SECONDS, conf().WEBHOOK_RETRY_SECONDS)
    if delivery is None:
        return False
    endpoint = WebhookEndpoint.objects.get(pk=endpoint_id)
    body = delivery.body.encode()
    with working_on(batch_id=delivery.batch_id):
        outcome = send(endpoint, delivery.webhook_id, body)
        _note(delivery, endpoint, outcome)
    WEBHOOKS.labels("succeeded" if outcome.is_success else "failed").inc()
    return True


def send(
    endpoint: WebhookEndpoint, webhook_id: str, body: bytes, **options: float
) -> Outcome:
    """Sign and send a body now."""
    secrets = endpoint.secrets(database_now())
    headers = signing.headers(secrets, webhook_id, int(time.time()), body)
    try:
        reply = post(endpoint.url, body, headers, **options)
    except (NoAnswer, UnsafeUrl) as error:
        return Outcome(error=str(error))
    return Outcome(reply, "" if reply.is_success else f"HTTP {reply.status}")


def _note(
    delivery: WebhookDelivery, endpoint: WebhookEndpoint, outcome: Outcome
) -> None:
    """Write down how it went, for the delivery and for the endpoint's breaker."""
    status = outcome.reply.status if outcome.reply else None
    logger.info(
        "webhook %s to %s, attempt %d: %s",
        delivery.webhook_id,
        endpoint.pk,
        delivery.attempts,
        outcome.error or status,
    )
    with transaction.atomic():
        if outcome.is_success:
            attempts.succeed(delivery, status_code=status)
            _close_breaker(endpoint)
        elif status == GONE:
            attempts.bury(delivery, outcome.error, status_code=status)
            disable(endpoint, f"It answered {GONE}: it wants no more events.")
        else:
            wait = _wait(delivery.attempts, outcome.reply)
            attempts.fail(delivery, outcome.error, wait, status_code=status)
            _count_failure(endpoint)


def _wait(tries: int, reply: Reply | None) -> float | None:
    """Return the seconds to the next attempt, as the schedule and the receiver say."""
    wait = attempts.next_wait(conf().WEBHOOK_RETRY_SECONDS, tries)
    if wait is None or reply is None or reply.retry_after is None:
        return wait
    return max(wait, reply.retry_after)


def _close_breaker(endpoint: WebhookEndpoint) -> None:
    rows = WebhookEndpoint.objects.filter(pk=endpoint.pk, failures_in_row__gt=0)
    rows.update(failures_in_row=0, paused_until=None)


def _count_failure(endpoint: WebhookEndpoint) -> None:
    rows = WebhookEndpoint.objects.filter(pk=endpoint.pk)
    rows.update(failures_in_row=F("failures_in_row") + 1)
    endpoint.refresh_from_db(fields=["failures_in_row"])
    pause = pause_seconds(endpoint.failures_in_row)
    if pause:
        rows.update(paused_until=Now() + timedelta(seconds=pause))


def pause_seconds(failures: int) -> int:
    """Return how long an endpoint is left alone after so many failures in a row."""
    if failures < MOST_FAILURES:
        return 0
    doubled = FIRST_PAUSE_SECONDS << min(failures - MOST_FAILURES, 10)
    return min(doubled, LONGEST_PAUSE_SECONDS)
