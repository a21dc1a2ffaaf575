"""Tell endpoints that want it when a batch has passed a milestone: an extension.

Decided from the batch's own counters, by whoever looks: the sweeper while the batch
runs, and the handler at its end. The commit of a worker's results knows nothing of it.
`BatchJob.milestone` and the deliveries are written in one transaction that holds the
batch's row, so each milestone is told once, however many look and whoever is killed.
"""

from datetime import datetime

from django.db import transaction
from django.db.models import BigIntegerField, Exists, F, OuterRef, TextField
from django.db.models.functions import Cast
from django.db.models.lookups import GreaterThanOrEqual

from batches.handlers.running import ring_handlers
from batches.handlers.webhook.events import PROGRESS, event
from batches.models import BatchJob, Status, WebhookDelivery, WebhookEndpoint
from batches.models.batch import BatchQuerySet
from batches.models.webhook_endpoint import WebhookEndpointQuerySet
from vllm_batch.lib.clock import database_now
from vllm_batch.lib.ids import derived_id

# Percent of a batch's lines that have a durable result, good or bad.
STEP = 25
MILESTONES = range(STEP, 100, STEP)
MOST_AT_ONCE = 100


def _listeners() -> WebhookEndpointQuerySet:
    """Return the endpoints that want to hear of milestones."""
    # As text, because SQLite cannot look into JSON lists.
    chosen = Cast("event_types", TextField())
    wanting = WebhookEndpoint.objects.visible().alias(chosen=chosen)
    return wanting.filter(is_enabled=True, chosen__contains=f'"{PROGRESS}"')


def waiting() -> BatchQuerySet:
    """Return the running batches that have passed a milestone nobody was told of."""
    done = Cast(F("completed") + F("failed"), BigIntegerField()) * 100
    next_one = Cast(F("total"), BigIntegerField()) * (F("milestone") + STEP)
    return BatchJob.objects.filter(
        Exists(_listeners().filter(project=OuterRef("project"))),
        status=Status.IN_PROGRESS,
        milestone__lt=MILESTONES[-1],
        total__gt=0,
    ).filter(GreaterThanOrEqual(done, next_one))


def tell_waiting() -> None:
    """Make the deliveries of all such batches."""
    for batch_id in waiting().values_list("pk", flat=True)[:MOST_AT_ONCE]:
        tell(batch_id)


def tell(batch_id: str) -> None:
    """Make the deliveries of the milestones a batch has passed, each once for ever."""
    with transaction.atomic():
        # Locked: whoever looks at the same time waits, and finds less to tell.
        batch = BatchJob.objects.select_for_update(no_key=True).get(pk=batch_id)
        passed = [m for m in MILESTONES if batch.milestone < m <= _percent(batch)]
        if not passed:
            return
        batch.milestone = passed[-1]
        batch.save(update_fields=["milestone"])
        now = database_now()
        endpoints = list(_listeners().filter(project=batch.project_id))
        if endpoints:
            deliveries = (
                _delivery(e, batch, m, now) for m in passed for e in endpoints
            )
            WebhookDelivery.objects.bulk_create(deliveries)
            ring_handlers()


def _percent(batch: BatchJob) -> int:
    return 100 * (batch.completed + batch.failed) // (batch.total or 1)


def _delivery(
    endpoint: WebhookEndpoint, batch: BatchJob, percent: int, now: datetime
) -> WebhookDelivery:
    event_id = derived_id("evt_", batch.pk, PROGRESS, percent)
    return WebhookDelivery(
        endpoint=endpoint,
        batch=batch,
        webhook_id=derived_id("wh_", endpoint.pk, batch.pk, PROGRESS, percent),
        event_type=PROGRESS,
        body=event(event_id, PROGRESS, now, batch.pk, percent=percent),
    )
