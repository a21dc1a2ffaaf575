"""Who is at work, for those who may not import the workers (the batch object)."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from batches.waiting import Fleet, Worker
from vllm_batch.lib.clock import database_now
from workers.models import Heartbeat, ServedModel
from workers.scheduling.run_hours import hours_of, zone

# A worker beats every two seconds at least.
SILENCE = timedelta(seconds=20)


def find_workers() -> Fleet:
    """Return the workers, and the models, enabled or not."""
    return fleet_of(Heartbeat.objects.all(), database_now())


def fleet_of(beats: Iterable[Heartbeat], now: datetime) -> Fleet:
    """Return the same of heartbeats that are known already."""
    workers = [
        Worker(
            owner=beat.owner,
            state=beat.state,
            model=beat.model,
            reason=beat.reason,
            is_alive=now - beat.beat_at < SILENCE,
        )
        for beat in beats
    ]
    models = ServedModel.objects.all()
    named = [(name, model) for model in models for name in model.names]
    return Fleet(
        workers=workers,
        models={name for name, model in named if model.is_enabled},
        bases={name: model.name for name, model in named},
        closed=_closed([model for model in models if model.is_enabled], now),
        disabled={n: m.disabled_reason for n, m in named if not m.is_enabled},
    )


def _closed(models: list[ServedModel], now: datetime) -> dict[str, str]:
    """Return the models that may not run now, with their hours and the next of them."""
    found: dict[str, str] = {}
    for model in models:
        opens_at = hours_of(model.run_hours).opens_at(now, zone())
        if opens_at > now:
            at = opens_at.astimezone(zone())
            found[model.name] = (
                f"runs at {model.run_hours} only; that begins {at:%Y-%m-%d %H:%M %Z}"
            )
    return found
