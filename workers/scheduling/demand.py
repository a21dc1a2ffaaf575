"""Find what the policy decides on: what waits for which model, and who serves what.

The work of a batch is estimated with caution: its open lines, at the pace this worker
measured for the model, else at the model's learnt tokens per second, else slowly.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from math import inf
from typing import Any, NamedTuple

from django.db.models import Exists, F, Max, Min, OuterRef, Sum
from django.db.models.functions import Coalesce, TruncMinute

from batches.models import BatchJob, Chunk
from batches.models.batch import BatchQuerySet
from vllm_batch.lib.clock import database_now
from vllm_batch.lib.conf import conf
from workers.hosts import host_name
from workers.models import Heartbeat, ServedModel
from workers.scheduling.hours import Hours
from workers.scheduling.policy import Demand, Due, Place
from workers.scheduling.run_hours import hours_of, zone
from workers.status import SILENCE

# Estimates are wrong: work is taken for this many times what it seems to be.
CAUTION = 1.25
# Of a model that nobody measured yet: a slow line, and a usual answer.
UNKNOWN_LINE_SECONDS = 0.5
USUAL_ANSWER_TOKENS = 256
# So many answered lines tell how long an answer of those batches is.
TELLING_LINES = 20
UNKNOWN_SWAP_SECONDS = 60.0
# Who holds a GPU and would take chunks of the model that it has.
AT_WORK = (Heartbeat.State.IDLE, Heartbeat.State.LOADING, Heartbeat.State.RUNNING)


@dataclass(frozen=True, kw_only=True)
class Asker:
    """What only the worker itself knows.

    `pace` is lines per second by model, `last_served` Unix times. Chunks that `owner`
    holds count as waiting; an empty owner holds none. `is_announced` says that the
    worker told its heartbeat what it wants to load.
    """

    owner: str = ""
    slot: str = ""
    loaded: str | None = None
    loaded_at: float = -inf
    has_in_hand: bool = False
    is_announced: bool = False
    cooling: Collection[str] = ()
    asleep: Collection[str] = ()
    pace: Mapping[str, float] = field(default_factory=dict)
    last_served: Mapping[str, float] = field(default_factory=dict)


class View(NamedTuple):
    """What waits, and where the worker stands; `opens_at` if its hours are closed."""

    place: Place
    demands: list[Demand]
    opens_at: datetime | None


class _Open(NamedTuple):
    """Open lines of one model with one deadline."""

    model: str
    deadline: datetime
    lines: int
    priority: int
    since: datetime
    answered: int
    tokens: int


def look(asker: Asker) -> View:
    """Return what waits at this moment: a few queries, for any number of batches."""
    now = database_now()
    models = {
        name: model
        for model in ServedModel.objects.filter(is_enabled=True)
        for name in model.names
    }
    others, workers = _others(asker, now)
    found: dict[str, list[_Open]] = {}
    for row in _open_lines(list(models), asker, now):
        found.setdefault(models[row.model].name, []).append(row)
    demands = [
        _demand(models[base], rows, asker, now, others.get(base, 0))
        for base, rows in found.items()
    ]
    hours = hours_of(conf().WORKER_HOURS)
    opens_at = hours.opens_at(now, zone())
    place = Place(
        now=now.timestamp(),
        loaded=asker.loaded,
        loaded_at=asker.loaded_at,
        workers=workers,
        closes_at=_closes_at(hours, now),
    )
    return View(place, demands, opens_at if opens_at > now else None)


def _closes_at(hours: Hours, now: datetime) -> float:
    closes_at = hours.closes_at(now, zone())
    return inf if closes_at is None else closes_at.timestamp()


def _others(asker: Asker, now: datetime) -> tuple[dict[str, int], int]:
    """Return how many other workers have which model, and how many there are in all.

    Of two that announce the same model at the same time, one is not counted: else
    both would leave it to the other.
    """
    beats = Heartbeat.objects.filter(beat_at__gt=now - SILENCE, state__in=AT_WORK)
    counts: dict[str, int] = {}
    # Its own row may still be that of the process before it.
    others = list(beats.exclude(host=host_name(), slot=asker.slot))
    for beat in others:
        is_rival = asker.is_announced and beat.state == Heartbeat.State.LOADING
        if beat.model and not (is_rival and beat.owner > asker.owner):
            counts[beat.model] = counts.get(beat.model, 0) + 1
    return counts, len(others) + 1


def _open_lines(names: list[str], asker: Asker, now: datetime) -> Iterator[_Open]:
    """Yield the open lines of batches with a chunk to claim, by model and minute."""
    runnable = BatchJob.objects.runnable(now).filter(model__in=names)
    is_open = Exists(Chunk.objects.filter(batch=OuterRef("pk")).claimable(now))
    yield from map(_open, _summed(runnable.filter(is_open)))
    if asker.has_in_hand:
        # Apart: an OR of both would look at every chunk there is.
        mine = Chunk.objects.unfinished().filter(lease_owner=asker.owner)
        ids = mine.order_by().values("batch")
        yield from map(_open, _summed(runnable.filter(~is_open, pk__in=ids)))
    yield from map(_open, _mixed(names, asker, now))


def _summed(rows: BatchQuerySet) -> Any:
    return (
        rows.order_by()
        .values("model", minute=TruncMinute("expires_at"))
        .annotate(
            deadline=Min("expires_at"),
            lines=Sum(F("total") - F("completed") - F("failed")),
            most=Max("priority"),
            since=Min(Coalesce("in_progress_at", "created_at")),
            answered=Sum("completed"),
            tokens=Sum("output_tokens"),
        )
        .order_by("deadline")
    )


def _mixed(names: list[str], asker: Asker, now: datetime) -> Any:
    """Return the same of batches with several models, whose chunks know the model."""
    claimable = Chunk.objects.claimable(now)
    if asker.has_in_hand:
        claimable |= Chunk.objects.unfinished().filter(
            lease_owner=asker.owner,
            batch__status="in_progress",
            batch__expires_at__gt=now,
            batch__paused_reason="",
        )
    return (
        claimable.filter(batch__model=None, model__in=names)
        .order_by()
        .values("model", minute=TruncMinute("batch__expires_at"))
        .annotate(
            deadline=Min("batch__expires_at"),
            lines=Sum(F("line_count") - F("completed") - F("failed")),
            most=Max("batch__priority"),
            since=Min(Coalesce("batch__in_progress_at", "batch__created_at")),
        )
        .order_by("deadline")
    )


def _open(row: Mapping[str, Any]) -> _Open:
    return _Open(
        model=row["model"],
        deadline=row["deadline"],
        lines=max(1, row["lines"]),
        priority=row["most"],
        since=row["since"],
        answered=row.get("answered", 0),
        tokens=row.get("tokens", 0),
    )


def _demand(
    model: ServedModel, rows: list[_Open], asker: Asker, now: datetime, others: int
) -> Demand:
    name = model.name
    each = CAUTION * line_seconds(
        pace=asker.pace.get(name),
        tokens_per_second=model.output_tokens_per_second,
        answered=sum(row.answered for row in rows),
        tokens=sum(row.tokens for row in rows),
    )
    since = min(row.since for row in rows).timestamp()
    hours = hours_of(model.run_hours)
    swap = model.load_seconds or UNKNOWN_SWAP_SECONDS
    if name in asker.asleep and model.wake_seconds:
        swap = model.wake_seconds
    return Demand(
        model=name,
        dues=sorted(Due(row.deadline.timestamp(), each * row.lines) for row in rows),
        waiting_since=max(since, asker.last_served.get(name, since)),
        priority=max(row.priority for row in rows),
        swap_seconds=swap,
        is_open=hours.is_open(now, zone()),
        closes_at=_closes_at(hours, now),
        is_cooling=name in asker.cooling,
        others=others,
    )


def line_seconds(
    *,
    pace: float | None,
    tokens_per_second: float | None,
    answered: int = 0,
    tokens: int = 0,
) -> float:
    """Return what a line takes of a worker's time, from the best that is known.

    `pace` is in lines per second; `tokens` were made for so many `answered` lines.
    """
    if pace:
        return 1 / pace
    if tokens_per_second:
        is_telling = answered >= TELLING_LINES and tokens
        answer = tokens / answered if is_telling else USUAL_ANSWER_TOKENS
        return answer / tokens_per_second
    return UNKNOWN_LINE_SECONDS
