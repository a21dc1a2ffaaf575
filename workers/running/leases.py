"""Claims on chunks, by the database's clock."""

from collections.abc import Collection, Iterable
from datetime import UTC, datetime, timedelta
from math import inf
from typing import NamedTuple

from django.db.models import Case, Exists, F, OuterRef, Q, When
from django.db.models.expressions import OrderBy
from django.db.models.functions import Now

from batches.claims import claim_next
from batches.models import BatchJob, Chunk, Status
from batches.models.chunk import ChunkQuerySet
from batches.segments import Claim
from vllm_batch.lib.conf import conf

# Of so many batches a chunk is tried, should others be faster.
MOST_BATCHES = 4


def claim_chunk(
    owner: str,
    names: Collection[str],
    besides: Iterable[str] = (),
    *,
    project: int | None = None,
    urgent_until: float = -inf,
) -> Chunk | None:
    """Lease the next chunk for one of these model names, of one project if it is named.

    Deadlines up to `urgent_until`, a Unix time, come first; then the higher priority,
    then the earlier deadline. `besides` are batches whose chunks are left alone.
    """
    free = _claimable(names)
    batches = BatchJob.objects.runnable(Now())
    batches = batches.filter(Exists(free.filter(batch=OuterRef("pk"))))
    batches = batches.exclude(pk__in=list(besides))
    if project is not None:
        batches = batches.filter(project=project)
    # The first batches first: of a hundred thousand chunks none need be sorted.
    first = batches.order_by(*_order("", urgent_until))[:MOST_BATCHES]
    candidates = free.filter(batch__in=first.values("pk"))
    candidates = candidates.select_related("batch__project")
    candidates = candidates.order_by(*_order("batch__", urgent_until), "index")
    return claim_next(owner, conf().WORKER_LEASE_SECONDS, candidates)


def _order(batch: str, urgent_until: float) -> list[str | OrderBy]:
    """Return the order of batches; the index `vllm_batches_next` has most of it."""
    names = ("-{}priority", "{}expires_at", "-{}created_at", "-{}id")
    order: list[str | OrderBy] = [name.format(batch) for name in names]
    if urgent_until > -inf:
        limit = datetime.fromtimestamp(urgent_until, UTC)
        deadline = f"{batch}expires_at"
        is_urgent = When(**{f"{deadline}__lte": limit}, then=F(deadline))
        order.insert(0, Case(is_urgent, default=None).asc(nulls_last=True))
    return order


def next_project(names: Collection[str], besides: Iterable[int]) -> int | None:
    """Return the project with the earliest deadline that waits for these models.

    `besides` are projects that had their turn.
    """
    return (
        _claimable(names)
        .exclude(batch__project__in=list(besides))
        .order_by("batch__expires_at")
        .values_list("batch__project", flat=True)
        .first()
    )


def is_waiting(names: Collection[str], besides: Iterable[str]) -> bool:
    """Tell whether a batch besides these has a chunk that may be claimed."""
    return _claimable(names).exclude(batch__in=list(besides)).exists()


def _claimable(names: Collection[str]) -> ChunkQuerySet:
    return Chunk.objects.claimable(Now()).filter(model__in=names)


def renew(owner: str, chunk_ids: Iterable[int]) -> None:
    """Prolong the leases of chunks in hand; a lease that has ended stays ended.

    Any other of `owner`'s is not in hand: its claim's answer was lost, or it could not
    be given back. It ends by itself.
    """
    leased = Chunk.objects.filter(lease_owner=owner, lease_expires_at__gt=Now())
    leased.filter(pk__in=list(chunk_ids)).update(
        lease_expires_at=Now() + timedelta(seconds=conf().WORKER_LEASE_SECONDS)
    )


def release(claim: Claim) -> None:
    """Give a chunk back with what is committed so far."""
    Chunk.objects.filter(
        pk=claim.chunk_id, fence=claim.fence, lease_owner=claim.owner
    ).update(lease_owner="", lease_expires_at=None)


class Stop(NamedTuple):
    """Why a batch's lines must not be started; after a pause those that run may end."""

    cause: str
    is_pause: bool


def stopped_batches(batch_ids: Iterable[str]) -> dict[str, Stop]:
    """Return which of the batches must run no more, each with the cause."""
    rows = BatchJob.objects.filter(pk__in=list(batch_ids))
    # One statement, twice a second: mostly it finds nothing.
    runnable = rows.runnable(Now()).values("pk")
    is_pause = Q(status=Status.IN_PROGRESS, expires_at__gt=Now())
    stopped = rows.exclude(pk__in=runnable).annotate(is_pause=is_pause)
    fields = ("pk", "paused_reason", "status", "is_pause")
    return {
        pk: Stop(reason or status, is_pause)
        for pk, reason, status, is_pause in stopped.values_list(*fields)
    }
