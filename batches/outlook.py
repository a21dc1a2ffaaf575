"""Find what `waiting` decides on: a handful of queries for any number of batches."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from django.conf import settings
from django.utils.module_loading import import_string

from batches.models import BatchJob, Chunk, Status
from batches.waiting import Fleet, Situation, Waiting, eta_seconds, why_waiting
from vllm_batch.lib.clock import database_now

# How far the queue is looked through to say how many are ahead.
LONGEST_QUEUE = 1000


@dataclass(frozen=True)
class Outlook:
    """When a batch will be ready, and why it is not moving."""

    eta_seconds: int | None = None
    waiting: Waiting | None = None


def outlook_of(batch: BatchJob) -> Outlook:
    """Return one batch's outlook."""
    return outlooks([batch])[batch.pk]


def outlooks(
    batches: Sequence[BatchJob],
    *,
    now: datetime | None = None,
    fleet: Fleet | None = None,
) -> dict[str, Outlook]:
    """Return each batch's outlook by its id.

    Who knows the time and the workers already gives them, and saves the queries.
    """
    live = [batch for batch in batches if not batch.is_terminal]
    found = {batch.pk: Outlook() for batch in batches}
    if not live:
        return found
    situations = _situations(live, now or database_now(), fleet or _fleet())
    for batch in live:
        situation = situations[batch.pk]
        found[batch.pk] = Outlook(
            eta_seconds(batch, situation), why_waiting(batch, situation)
        )
    return found


def _fleet() -> Fleet:
    return cast(Fleet, import_string(settings.WORKER_STATUS)())


def _situations(
    batches: list[BatchJob], now: datetime, fleet: Fleet
) -> dict[str, Situation]:
    holders: dict[str, set[str]] = {batch.pk: set() for batch in batches}
    leased = Chunk.objects.filter(batch__in=list(holders)).leased(now).order_by()
    for batch_id, owner in leased.values_list("batch", "lease_owner").distinct():
        holders[batch_id].add(owner)
    ahead = _ahead(batches, now)
    return {
        batch.pk: Situation(
            now=now,
            fleet=fleet,
            holders=holders[batch.pk],
            ahead=ahead.get(batch.pk, 0),
        )
        for batch in batches
    }


def _ahead(batches: list[BatchJob], now: datetime) -> dict[str, int]:
    """Return how many batches of its model stand before each one in the queue.

    The order is that of claims: priority, then deadline (workers/running/leases.py).
    """
    if not any(batch.status == Status.IN_PROGRESS for batch in batches):
        return {}
    queue = (
        BatchJob.objects.runnable(now)
        .order_by("-priority", "expires_at", "pk")
        .values_list("pk", "model")[:LONGEST_QUEUE]
    )
    ahead: dict[str, int] = {}
    seen: dict[str | None, int] = {}
    for pk, model in queue:
        ahead[pk] = seen.get(model, 0)
        seen[model] = ahead[pk] + 1
    return ahead
