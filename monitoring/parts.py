"""How each part of the system is, as one word and as details.

Words: `ok`, or what is wrong. A part that is not well need not harm the API: uploads
and batches are taken while every worker is down, and run later.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import Count, Min
from django.utils import timezone
from django_q.models import OrmQ

from vllm_batch.lib.clock import database_now
from workers.gpu.policy import State
from workers.gpu.report import NO_GPU
from workers.models import Heartbeat
from workers.status import SILENCE

OK = "ok"
# A task of the ops queue that nobody has taken for so long.
LATE = timedelta(seconds=120)
OPS = "ops"
# The worst first. What comes before PAUSED wants a human.
_CARD_STATES = (
    State.DRAINED,
    State.UNKNOWN,
    State.PAUSED,
    State.ENDING,
    State.TAKEN,
    State.OK,
)


@dataclass(frozen=True)
class Part:
    """A part's state in a word, whether it does its work, and details."""

    status: str
    is_well: bool = True
    details: dict[str, Any] = field(default_factory=dict)


def look() -> dict[str, Part]:
    """Look at every part; raises django.db.Error if the database does not answer."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    now = database_now()
    beats = list(Heartbeat.objects.all())
    alive = [beat for beat in beats if now - beat.beat_at < SILENCE]
    return {
        "database": Part(OK, details={"engine": connection.vendor}),
        "queue": _queue(timezone.now()),
        "workers": _workers(beats, alive, now),
        "gpus": _gpus(alive),
    }


def _queue(now: datetime) -> Part:
    """Tell how long tasks have waited. A busy GPU slot lets its doorbells wait."""
    rows = (
        OrmQ.objects.filter(lock__lte=now)
        .order_by()
        .values("key")
        .annotate(waiting=Count("pk"), since=Min("lock"))
    )
    clusters = {
        row["key"]: {
            "waiting": row["waiting"],
            "oldest_seconds": round((now - row["since"]).total_seconds(), 1),
        }
        for row in rows
    }
    oldest = clusters.get(OPS, {}).get("oldest_seconds", 0)
    is_late = oldest > LATE.total_seconds()
    return Part("late" if is_late else OK, not is_late, clusters)


def _workers(
    beats: Sequence[Heartbeat], alive: Sequence[Heartbeat], now: datetime
) -> Part:
    listed = {
        str(beat): {
            "is_alive": beat in alive,
            "state": beat.state,
            "reason": beat.reason,
            "model": beat.model,
            "requests_in_flight": beat.requests_in_flight,
            "requests_done": beat.requests_done,
            "silent_seconds": round((now - beat.beat_at).total_seconds(), 1),
        }
        for beat in beats
    }
    if not alive:
        return Part("none", False, listed)
    if all(beat.state == Heartbeat.State.PAUSED for beat in alive):
        return Part("paused", False, listed)
    return Part(OK, details=listed)


def _gpus(alive: Sequence[Heartbeat]) -> Part:
    cards = {str(beat): beat.gpu or {"state": NO_GPU} for beat in alive}
    states = {card.get("state") for card in cards.values()}
    worst = next((state for state in _CARD_STATES if state in states), None)
    if worst is None:
        return Part(NO_GPU, details=cards)
    return Part(worst.value, worst not in (State.DRAINED, State.UNKNOWN), cards)
