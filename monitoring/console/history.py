"""What the last hours were like: throughput, how batches ended, why lines failed.

Segments are purged soon after a batch's end, so its counters tell: what a batch has
made is spread evenly between its first result and its last.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db.models import Count, F
from django.db.models.functions import Coalesce

from batches.models import BatchJob, FailedRequest
from monitoring.console.rows import ENDS
from monitoring.console.viewers import Viewer
from vllm_batch.lib.clock import database_now

WINDOW = timedelta(hours=6)
DAY = timedelta(days=1)
BUCKETS = 72
# The newest batches that are looked at: it bounds the time a look takes.
MOST_BATCHES = 2000


class Work(NamedTuple):
    """What a batch made between two moments."""

    began: datetime
    ended: datetime | None
    lines: int
    tokens: int


@dataclass(frozen=True)
class History:
    """Rates per bucket, oldest first, and the counts of a day."""

    since: datetime
    now: datetime
    lines_per_second: list[float]
    tokens_per_second: list[float]
    causes: list[tuple[str, int]]
    ended: list[tuple[str, int]]


def look(viewer: Viewer) -> History:
    """Return the history of what the person may see: four queries."""
    now = database_now()
    since = now - WINDOW
    work = _work(viewer, since)
    return History(
        since=since,
        now=now,
        lines_per_second=rates([(w.began, w.ended, w.lines) for w in work], since, now),
        tokens_per_second=rates(
            [(w.began, w.ended, w.tokens) for w in work], since, now
        ),
        causes=_causes(viewer, now - DAY),
        ended=_ended(viewer, now - DAY),
    )


def rates(
    work: Iterable[tuple[datetime, datetime | None, int]],
    since: datetime,
    now: datetime,
    count: int = BUCKETS,
) -> list[float]:
    """Return amounts a second for each of `count` buckets between two moments.

    Each amount is spread evenly between its own two moments; None stands for now.
    """
    width = (now - since).total_seconds() / count
    sums = [0.0] * count
    for began, ended, amount in work:
        start = (began - since).total_seconds()
        end = max(((ended or now) - since).total_seconds(), start + 1)
        pace = amount / (end - start)
        first, last = max(0, int(start // width)), min(count - 1, int(end // width))
        for bucket in range(first, last + 1):
            overlap = min(end, (bucket + 1) * width) - max(start, bucket * width)
            sums[bucket] += pace * max(0.0, overlap)
    return [total / width for total in sums]


def _work(viewer: Viewer, since: datetime) -> list[Work]:
    batches = viewer.batches().filter(first_result_at__isnull=False)
    spans = batches.annotate(ended=Coalesce(*ENDS))
    recent = spans.exclude(ended__lte=since).order_by("-created_at", "-id")
    columns = recent.values_list(
        "first_result_at", "ended", F("completed") + F("failed"), "output_tokens"
    )
    return [Work(*row) for row in columns[:MOST_BATCHES]]


def _causes(viewer: Viewer, since: datetime) -> list[tuple[str, int]]:
    recent = viewer.batches().filter(created_at__gt=since, failed__gt=0)
    failed = FailedRequest.objects.filter(batch__in=recent.order_by().values("pk"))
    counted = failed.order_by().values_list("cause").annotate(lines=Count("pk"))
    return sorted(counted, key=lambda pair: -pair[1])


def causes_of(batch: BatchJob) -> list[tuple[str, int]]:
    """Return why lines of a batch failed, the most frequent cause first."""
    failed = FailedRequest.objects.filter(batch=batch).order_by()
    counted = failed.values_list("cause").annotate(lines=Count("pk"))
    return sorted(counted, key=lambda pair: -pair[1])


def _ended(viewer: Viewer, since: datetime) -> list[tuple[str, int]]:
    recent = viewer.batches().filter(created_at__gt=since, is_dry_run=False)
    counted = recent.order_by().values_list("status").annotate(count=Count("pk"))
    return sorted(counted, key=lambda pair: -pair[1])
