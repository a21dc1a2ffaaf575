"""What the database tells about a GPU cluster that is not well though it runs."""

from collections.abc import Callable
from datetime import datetime

from batches.models import Chunk
from vllm_batch.lib.clock import database_now
from vllm_batch.lib.conf import conf
from workers.hosts import host_name
from workers.models import Heartbeat
from workers.served.names import bases

# A queue that wakes nobody for this long is wedged (reliability §2.2).
STALL_SECONDS = 30.0
# A heart beats at least every 2 s, but a busy interpreter may miss some.
SHORTEST_SILENCE_SECONDS = 5.0
# While a model loads, it may miss many.
LOADING_PATIENCE = 4
# How long the same has to be seen: right after the database was away, all is late.
GRACE_SECONDS = 8.0


class Symptoms:
    """Measures how long, without a gap, something has been wrong with a cluster."""

    def __init__(self) -> None:
        self._since: dict[str, float] = {}
        self._started_at = 0.0

    def note(self, found: dict[str, float], *, started_at: float, now: float) -> str:
        """Take what is wrong now, with how long it may last; return what lasted longer.

        A cluster that was started again is another one: its time starts anew.
        """
        if started_at != self._started_at:
            self.forget()
            self._started_at = started_at
        self._since = {symptom: self._since.get(symptom, now) for symptom in found}
        lasting = [s for s, limit in found.items() if now - self._since[s] > limit]
        return lasting[0] if lasting else ""

    def forget(self) -> None:
        """Start anew: nothing could be seen for a while."""
        self._since.clear()


def has_beat(slot: str, is_ours: Callable[[int], bool]) -> bool:
    """Tell whether the heart of the slot's cluster, as it is now, has begun to beat."""
    beat = Heartbeat.objects.filter(host=host_name(), slot=slot).first()
    return beat is not None and is_ours(beat.pid)


def symptoms_of(slot: str, is_ours: Callable[[int], bool]) -> dict[str, float]:
    """Return what is wrong with a slot's worker, each with how long it may last.

    `is_ours` tells whether a process on this machine belongs to the slot's cluster.
    """
    now = database_now()
    beat = Heartbeat.objects.filter(host=host_name(), slot=slot).first()
    found: dict[str, float] = {}
    if is_silent(beat, now) and work_waits(now):
        found["it takes no work"] = STALL_SECONDS
    if beat is None or not is_ours(beat.pid):
        return found
    if _age(beat.beat_at, now) > _silence_allowed(beat):
        found["its heart stopped"] = GRACE_SECONDS
    if _is_stuck(beat, now):
        found["its requests make no progress"] = GRACE_SECONDS
    return found


def is_silent(beat: Heartbeat | None, now: datetime) -> bool:
    """Tell whether a worker shows no life, or idles without a reason."""
    if beat is None or (beat.state == Heartbeat.State.IDLE and not beat.reason):
        return True
    return _age(beat.beat_at, now) > STALL_SECONDS


def work_waits(now: datetime) -> bool:
    """Tell whether there is a chunk that a worker could claim."""
    return Chunk.objects.claimable(now).filter(model__in=list(bases())).exists()


def _age(moment: datetime, now: datetime) -> float:
    return (now - moment).total_seconds()


def _silence_allowed(beat: Heartbeat) -> float:
    """Return half of the lease: what does not beat does not renew either."""
    seconds = max(conf().WORKER_LEASE_SECONDS / 2, SHORTEST_SILENCE_SECONDS)
    is_loading = beat.state == Heartbeat.State.LOADING
    return seconds * LOADING_PATIENCE if is_loading else seconds


def _is_stuck(beat: Heartbeat, now: datetime) -> bool:
    """Tell whether requests are out and none has moved, and the worker does not know.

    The worker looks first, at half of this, and builds its engine again by itself.
    """
    limit = 2 * conf().ENGINE_STALL_SECONDS + 30
    return (
        beat.state == Heartbeat.State.RUNNING
        and beat.requests_in_flight > 0
        and not beat.reason
        and _age(beat.progress_at, now) > limit
    )
