"""How far a queue is, and a reviewer's pace. Counts of big queues are kept a while."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from django.core.cache import cache
from django.db.models import Count

from curation.models import Queue, Review, Task
from curation.models.task import State

KEPT_SECONDS = 20
# A longer pause between two decisions is a break, not work.
MOST_PAUSE_SECONDS = 600


@dataclass(frozen=True)
class Progress:
    """Tasks of a queue; void ones do not count."""

    total: int = 0
    done: int = 0
    flagged: int = 0

    @property
    def is_done(self) -> bool:
        """Tell whether nothing is open."""
        return self.done + self.flagged >= self.total


def progress_of(queues: Sequence[Queue]) -> dict[int, Progress]:
    """Return each queue's progress, up to some seconds old."""
    keys = {_key(queue.pk): queue.pk for queue in queues}
    kept = cache.get_many(keys)
    found = {keys[key]: Progress(*counts) for key, counts in kept.items()}
    missing = [queue.pk for queue in queues if queue.pk not in found]
    if missing:
        counted = _count(missing)
        cache.set_many(
            {
                _key(pk): (one.total, one.done, one.flagged)
                for pk, one in counted.items()
            },
            KEPT_SECONDS,
        )
        found |= counted
    return found


def _key(queue_id: int) -> str:
    return f"vllm_batch.review.progress.{queue_id}"


def _count(queue_ids: list[int]) -> dict[int, Progress]:
    rows = Task.objects.filter(queue__in=queue_ids).exclude(state=State.VOID)
    counts: dict[int, dict[str, int]] = {pk: {} for pk in queue_ids}
    for row in rows.order_by().values("queue", "state").annotate(number=Count("pk")):
        counts[row["queue"]][row["state"]] = row["number"]
    return {
        pk: Progress(
            sum(states.values()),
            states.get(State.DONE, 0),
            states.get(State.FLAGGED, 0),
        )
        for pk, states in counts.items()
    }


def pace_seconds(recent: Sequence[Review]) -> int | None:
    """Return the seconds between a reviewer's last decisions; None while unknown."""
    times = sorted(review.submitted_at for review in recent if review.submitted_at)
    pairs = zip(times, times[1:], strict=False)
    pauses = [(later - earlier).total_seconds() for earlier, later in pairs]
    worked = [pause for pause in pauses if pause <= MOST_PAUSE_SECONDS]
    return max(1, round(median(worked))) if worked else None
