"""Who gets a chunk, and what is known of holders that vanished with it.

A holder that lets go clears its name; one whose name still stands when the chunk is
claimed again was killed: from outside, or by one of the chunk's lines.
"""

from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import Case, F, QuerySet, When
from django.db.models.functions import Now

from batches.lines import is_done
from batches.metrics import note_claim
from batches.models import Chunk
from batches.segments import Claim
from vllm_batch.lib.faultpoints import fault

CLAIMED_FIELDS = [
    "fence",
    "done",
    "completed",
    "failed",
    "crash_count",
    "probed_line",
    "probe_count",
]
# Somebody kills workers from outside, too: once proves nothing against a line.
MOST_PROBES = 2


def claim_next(owner: str, seconds: int, candidates: QuerySet[Chunk]) -> Chunk | None:
    """Lease the first candidate nobody was faster at, or return None."""
    for chunk in candidates.select_related("batch")[:8]:
        if _take(chunk, owner, seconds):
            note_claim(chunk, owner)
            fault("chunk.claimed")
            chunk.refresh_from_db(fields=CLAIMED_FIELDS)
            return chunk
    return None


@transaction.atomic
def _take(chunk: Chunk, owner: str, seconds: int) -> bool:
    """Lease a chunk unless it changed since it was read, or its row is locked.

    A holder that froze while it wrote has the row locked. To wait for it could use up
    the lease before it begins: it counts from the statement's start.
    """
    # Without an order: it would join the batch, and ask for the lock of its row, too,
    # which each segment of each worker takes.
    rows = Chunk.objects.filter(pk=chunk.pk, fence=chunk.fence).order_by()
    if not rows.select_for_update(skip_locked=True).values_list("pk"):
        return False
    rows.update(
        fence=F("fence") + 1,
        lease_owner=owner,
        lease_expires_at=Now() + timedelta(seconds=seconds),
        claimed_results=F("completed") + F("failed"),
        **_suspicion(chunk, owner),
    )
    return True


def _suspicion(chunk: Chunk, owner: str) -> dict[str, Any]:
    """Return how often in a row holders vanished, and the line they had alone.

    Whoever claims its own chunk again lost the lease, but is alive.
    """
    has_vanished = chunk.lease_owner not in ("", owner)
    is_stuck = chunk.completed + chunk.failed == chunk.claimed_results
    found: dict[str, Any] = {
        "crash_count": chunk.crash_count + 1 if has_vanished and is_stuck else 0
    }
    if not (has_vanished and _is_probe_open(chunk)):
        found |= {"probed_line": None, "probe_count": 0}
    return found


def _is_probe_open(chunk: Chunk) -> bool:
    """Tell whether the line that was sent alone last has no result."""
    number = chunk.probed_line
    return number is not None and not is_done(chunk.done, number - chunk.first_line)


def probe(claim: Claim, number: int) -> None:
    """Note, before it is sent, which line of a chunk runs alone: it may kill us."""
    Chunk.objects.filter(
        pk=claim.chunk_id, fence=claim.fence, lease_owner=claim.owner
    ).update(
        probe_count=Case(
            When(probed_line=number, then=F("probe_count") + 1), default=1
        ),
        probed_line=number,
    )


def is_to_blame(chunk: Chunk, number: int) -> bool:
    """Tell whether a line was alone in flight at enough holders that vanished."""
    return number == chunk.probed_line and chunk.probe_count >= MOST_PROBES
