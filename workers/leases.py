"""Claims on chunks, by the database's clock."""

from collections.abc import Iterable
from datetime import timedelta

from django.db.models import Max, Min
from django.db.models.functions import Now

from batches.claims import claim_next
from batches.models import BatchJob, Chunk
from batches.segments import Claim
from vllm_batch.lib.clock import database_now
from vllm_batch.lib.conf import conf
from workers.models import ServedModel


def claim_chunk(owner: str, model: str, besides: Iterable[str] = ()) -> Chunk | None:
    """Lease the next chunk for `model`: higher priority, then earlier deadline first.

    `besides` are batches whose chunks are left alone, because one is in hand already.
    """
    candidates = (
        Chunk.objects.claimable(database_now())
        .filter(model=model)
        .exclude(batch__in=list(besides))
        .order_by("-batch__priority", "batch__expires_at", "batch", "index")
    )
    return claim_next(owner, conf().WORKER_LEASE_SECONDS, candidates)


def waiting_models() -> list[str]:
    """Return the enabled models that chunks wait for, the most urgent first."""
    enabled = ServedModel.objects.filter(is_enabled=True).values("name")
    rows = (
        Chunk.objects.claimable(database_now())
        .filter(model__in=enabled)
        .order_by()
        .values("model")
        .annotate(priority=Max("batch__priority"), deadline=Min("batch__expires_at"))
        .order_by("-priority", "deadline")
    )
    return [row["model"] for row in rows]


def renew(owner: str) -> None:
    """Prolong this worker's live leases; a lease that has ended stays ended."""
    Chunk.objects.filter(lease_owner=owner, lease_expires_at__gt=Now()).update(
        lease_expires_at=Now() + timedelta(seconds=conf().WORKER_LEASE_SECONDS)
    )


def release(claim: Claim) -> None:
    """Give a chunk back with what is committed so far."""
    Chunk.objects.filter(
        pk=claim.chunk_id, fence=claim.fence, lease_owner=claim.owner
    ).update(lease_owner="", lease_expires_at=None)


def stopped_batches(batch_ids: Iterable[str]) -> dict[str, str]:
    """Return which of the batches must run no more, each with the cause."""
    rows = BatchJob.objects.filter(pk__in=list(batch_ids))
    runnable = set(rows.runnable(database_now()).values_list("pk", flat=True))
    return {
        batch.pk: batch.paused_reason or batch.status
        for batch in rows
        if batch.pk not in runnable
    }
