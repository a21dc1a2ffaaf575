"""Who is at work, for those who may not import the workers (the batch object)."""

from datetime import timedelta

from batches.waiting import Fleet, Worker
from vllm_batch.lib.clock import database_now
from workers.models import Heartbeat, ServedModel

# A worker beats every two seconds at least.
SILENCE = timedelta(seconds=20)


def find_workers() -> Fleet:
    """Return the workers, and the names of the enabled models."""
    now = database_now()
    workers = [
        Worker(
            owner=beat.owner,
            state=beat.state,
            model=beat.model,
            reason=beat.reason,
            is_alive=now - beat.beat_at < SILENCE,
        )
        for beat in Heartbeat.objects.all()
    ]
    enabled = ServedModel.objects.filter(is_enabled=True)
    return Fleet(workers=workers, models=set(enabled.values_list("name", flat=True)))
