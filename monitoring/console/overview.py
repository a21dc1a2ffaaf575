"""What the front page says of this moment, in at most ten queries.

The live batches are found by their partial index, so ended ones cost nothing.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Case, Count, F, Q, Sum, Value, When

from batches.models import Status
from batches.models.batch import BatchQuerySet
from monitoring.console.rows import Row, rows_of
from monitoring.console.viewers import Viewer
from vllm_batch.lib.clock import database_now
from workers.gpu.report import GIB
from workers.models import Heartbeat
from workers.status import SILENCE, fleet_of

# Batches on the front page; the rest is on the list of batches.
MOST_ROWS = 12
_PAUSED = ~Q(paused_reason="")
_MOVED = Q(first_result_at__isnull=False) | Q(status=Status.FINALIZING)


@dataclass(frozen=True)
class Card:
    """A worker and its GPU, as its last heartbeat has them."""

    beat: Heartbeat
    is_alive: bool
    silent_seconds: int

    @property
    def gpu(self) -> dict[str, Any]:
        """What NVML told; empty without a card."""
        return self.beat.gpu if isinstance(self.beat.gpu, dict) else {}

    @property
    def memory(self) -> str:
        """Memory in use and in all."""
        used, total = self.gpu.get("memory_used"), self.gpu.get("memory_total")
        if used is None or not total:
            return ""
        return f"{used / GIB:.1f} of {total / GIB:.1f} GiB"

    @property
    def power(self) -> str:
        """Watts, and their limit if there is one."""
        watts, limit = self.gpu.get("watts"), self.gpu.get("watts_limit")
        if watts is None:
            return ""
        return f"{watts:.0f} of {limit:.0f} W" if limit else f"{watts:.0f} W"

    @property
    def state(self) -> str:
        """The worker's state; `gone` if its heart beats no more."""
        return str(self.beat.state) if self.is_alive else "gone"

    @property
    def trouble(self) -> str:
        """What wants a human: the worker's reason, the card's, or its warning."""
        card = self.gpu.get("reason") or self.gpu.get("warning") or ""
        return self.beat.reason or str(card)


@dataclass(frozen=True)
class Overview:
    """Figures, the first live batches, and the workers."""

    now: datetime
    counts: dict[str, int]
    rows: list[Row]
    cards: list[Card]

    @property
    def tokens_per_second(self) -> float:
        """Output tokens a second of the batches that run, all together."""
        running = (row for row in self.rows if row.state == "running")
        return sum(row.tokens_per_second or 0 for row in running)

    @property
    def others(self) -> int:
        """How many live batches the page does not list."""
        return self.counts["live"] - len(self.rows)


def look(viewer: Viewer) -> Overview:
    """Return the overview of what the person may see."""
    now = database_now()
    beats = list(Heartbeat.objects.all())
    live = viewer.batches().live().filter(is_dry_run=False)
    fleet = fleet_of(beats, now)
    return Overview(
        now=now,
        counts=_counts(live),
        rows=rows_of(_first(live), now, fleet),
        cards=[_card(beat, now) for beat in beats],
    )


def _counts(live: BatchQuerySet) -> dict[str, int]:
    running = Q(status=Status.IN_PROGRESS) & ~_PAUSED
    found = live.aggregate(
        live=Count("pk"),
        begun=Count("pk", filter=running & _MOVED),
        untouched=Count("pk", filter=running & ~_MOVED),
        paused=Count("pk", filter=_PAUSED),
        validating=Count("pk", filter=Q(status=Status.VALIDATING)),
        lines=Sum(F("total") - F("completed") - F("failed"), default=0),
    )
    return {name: int(count) for name, count in found.items()}


def _first(live: BatchQuerySet) -> list[Any]:
    """Return those that moved already, then the queue in the order of claims."""
    rank = Case(When(_MOVED, then=Value(0)), default=Value(1))
    ranked = live.annotate(rank=Case(When(_PAUSED, then=Value(2)), default=rank))
    ordered = ranked.order_by("rank", "-priority", "expires_at", "pk")
    return list(ordered.select_related("project")[:MOST_ROWS])


def _card(beat: Heartbeat, now: datetime) -> Card:
    silent = now - beat.beat_at
    return Card(beat, silent < SILENCE, max(0, int(silent.total_seconds())))
