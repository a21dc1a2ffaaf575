"""What the database knows of batches, queues and dead letters, as metrics."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.db.models import Count, F, Min, Q, Sum
from django.utils import timezone
from django_q.models import OrmQ
from prometheus_client.core import GaugeMetricFamily

from batches.models import (
    AttemptStatus,
    BatchJob,
    Chunk,
    FailedRequest,
    HandlerRun,
    Status,
    WebhookDelivery,
)
from batches.models.batch import TERMINAL
from files.reserve import free_bytes
from vllm_batch.lib.clock import database_now
from vllm_batch.lib.conf import conf

LIVE = tuple(status for status in Status if status not in TERMINAL)
CLUSTERS = ("gpu", "ops")


def batches() -> Iterator[GaugeMetricFamily]:
    """Yield how many batches are live, and how many lines wait."""
    now = database_now()
    left = F("total") - F("completed") - F("failed")
    is_paused = ~Q(paused_reason="")
    rows: dict[str, dict[str, Any]] = {
        row["status"]: dict(row)
        for row in BatchJob.objects.live()
        .order_by()
        .values("status")
        .annotate(
            count=Count("pk"),
            lines=Sum(left),
            paused=Count("pk", filter=is_paused),
            since=Min("created_at", filter=~is_paused),
        )
    }
    count = GaugeMetricFamily(
        "vllm_batches", "Live batches, by status.", labels=["status"]
    )
    for status in LIVE:
        count.add_metric([status.value], rows.get(status, {}).get("count", 0))
    yield count
    running = rows.get(Status.IN_PROGRESS, {})
    yield GaugeMetricFamily(
        "vllm_lines_waiting",
        "Lines of running batches without a result.",
        value=running.get("lines") or 0,
    )
    yield GaugeMetricFamily(
        "vllm_batches_paused",
        "Batches that somebody or something paused.",
        value=running.get("paused", 0),
    )
    yield _oldest(now)


def _oldest(now: datetime) -> GaugeMetricFamily:
    """Return how long the batch that has waited longest for its first result waits."""
    since = (
        BatchJob.objects.filter(
            status__in=(Status.VALIDATING, Status.IN_PROGRESS),
            first_result_at=None,
            paused_reason="",
        )
        .order_by()
        .aggregate(since=Min("created_at"))["since"]
    )
    return GaugeMetricFamily(
        "vllm_batch_wait_seconds",
        "Age of the oldest batch without a first result, paused ones apart.",
        value=_age(since, now),
    )


def queues() -> Iterator[GaugeMetricFamily]:
    """Yield what waits in each queue, and for how long."""
    age = GaugeMetricFamily(
        "vllm_queue_age_seconds",
        "How long what waited longest in a queue has waited.",
        labels=["queue"],
    )
    waiting = GaugeMetricFamily(
        "vllm_queue_waiting", "What waits in a queue.", labels=["queue"]
    )
    for name, (count, seconds) in {**_doorbells(), **_attempts()}.items():
        age.add_metric([name], seconds)
        waiting.add_metric([name], count)
    yield age
    yield waiting


def _doorbells() -> dict[str, tuple[int, float]]:
    now = timezone.now()  # django-q2's clock
    rows = OrmQ.objects.filter(lock__lte=now).order_by().values("key")
    found = {
        row["key"]: (row["count"], _age(row["since"], now))
        for row in rows.annotate(count=Count("pk"), since=Min("lock"))
    }
    return {name: found.get(name, (0, 0.0)) for name in CLUSTERS}


def _attempts() -> dict[str, tuple[int, float]]:
    now = database_now()
    numbers = {"count": Count("pk"), "since": Min("next_attempt_at")}
    found = {
        "handlers": HandlerRun.objects.due(now).order_by().aggregate(**numbers),
        "webhooks": WebhookDelivery.objects.due(now).order_by().aggregate(**numbers),
    }
    return {
        name: (row["count"], _age(row["since"], now)) for name, row in found.items()
    }


def leases() -> Iterator[GaugeMetricFamily]:
    """Yield how many chunks are held, and how many wait after their holder vanished."""
    now = database_now()
    open_ = Chunk.objects.unfinished().exclude(lease_expires_at=None).order_by()
    row = open_.filter(batch__status=Status.IN_PROGRESS).aggregate(
        held=Count("pk", filter=Q(lease_expires_at__gte=now)),
        expired=Count("pk", filter=Q(lease_expires_at__lt=now)),
    )
    family = GaugeMetricFamily(
        "vllm_leases", "Leases of unfinished chunks, by state.", labels=["state"]
    )
    for state in ("held", "expired"):
        family.add_metric([state], row[state])
    yield family


def disk() -> Iterator[GaugeMetricFamily]:
    """Yield what is free on the files' disk, and what must stay free."""
    free = free_bytes()
    family = GaugeMetricFamily("vllm_disk_free_bytes", "Free on the files' disk.")
    if free is not None:  # a remote storage has none
        family.add_metric([], free)
    yield family
    yield GaugeMetricFamily(
        "vllm_disk_reserve_bytes",
        "Below so much free space nothing new starts.",
        value=conf().DISK_RESERVE_BYTES,
    )


def dead_letters() -> Iterator[GaugeMetricFamily]:
    """Yield how many lines, handler runs and webhooks were given up."""
    dead = {"status": AttemptStatus.DEAD}
    counts = {
        "request": FailedRequest.objects.count(),
        "handler": HandlerRun.objects.filter(**dead).count(),
        "webhook": WebhookDelivery.objects.filter(**dead).count(),
    }
    family = GaugeMetricFamily(
        "vllm_dead_letters", "What failed for good, by kind.", labels=["kind"]
    )
    for kind, count in counts.items():
        family.add_metric([kind], count)
    yield family


def _age(since: datetime | None, now: datetime) -> float:
    return max(0.0, (now - since).total_seconds()) if since else 0.0
