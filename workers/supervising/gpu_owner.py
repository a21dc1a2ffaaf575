"""One owner a GPU, by a lease in the database.

The slot's lock keeps a second worker away that uses the same DATA_DIR; the lease also
those that share only the database. Its holder is the lock's own id, kept beside it: so
a worker that was killed has its GPU back at once, for the lock shows that it is gone.
"""

import logging
import time
from datetime import timedelta

from django.core.management.base import CommandError
from django.db.models import Q
from django.db.models.functions import Now

from vllm_batch.lib.conf import conf
from vllm_batch.lib.ids import new_id
from workers.hosts import gpu_name, host_name
from workers.models import GpuLease, Heartbeat

logger = logging.getLogger(__name__)

RENEW_SECONDS = 5.0
LOOK_SECONDS = 1.0
# Beyond the drain, during which nobody renews.
LEASE_SECONDS = 60
# Machines with random names never come back for their rows.
KEEP_GONE = timedelta(days=7)


class GpuOwner:
    """The holder of a slot's lock, as the owner of its GPU."""

    def __init__(self, slot: str) -> None:
        self._name = gpu_name(slot)
        self._key = {"host": host_name(), "slot": slot}
        self._holder = _kept_id(self._name)
        self._next_renewal = 0.0

    def obtain(self) -> None:
        """Take the lease, once one that nobody renews has run out.

        Raises CommandError if another worker renews it.
        """
        first = None
        while not self._take():
            lease = GpuLease.objects.filter(**self._key).first()
            if lease and first and lease.expires_at > first.expires_at:
                raise CommandError(
                    f"The GPU {self._name} has a worker that uses the same database and"
                    " another DATA_DIR. Stop it first, or name another slot with --slot"
                    " or another machine with WORKER_HOST."
                )
            if lease and not first:
                logger.warning(
                    "the GPU %s is taken until %s; waiting for the end, or a sign of"
                    " life, of its worker",
                    self._name,
                    lease.expires_at,
                )
            first = first or lease
            time.sleep(LOOK_SECONDS)
        _forget_gone()
        # Whoever starts a worker has looked after a card that was given up.
        Heartbeat.objects.filter(**self._key).update(gpu={})

    def keep(self, now: float) -> bool:
        """Renew the lease now and then; False if somebody else has it."""
        if now < self._next_renewal:
            return True
        is_kept = self._take()
        self._next_renewal = now + RENEW_SECONDS
        if not is_kept:
            logger.error("the GPU %s has another owner", self._name)
        return is_kept

    def release(self) -> None:
        """Give the GPU free for any other worker."""
        GpuLease.objects.filter(holder=self._holder, **self._key).delete()

    def _take(self) -> bool:
        seconds = LEASE_SECONDS + conf().WORKER_DRAIN_SECONDS
        fields = {
            "holder": self._holder,
            "expires_at": Now() + timedelta(seconds=seconds),
        }
        may_take = Q(holder=self._holder) | Q(expires_at__lt=Now())
        if GpuLease.objects.filter(may_take, **self._key).update(**fields):
            return True
        return GpuLease.objects.get_or_create(**self._key, defaults=fields)[1]


def _kept_id(name: str) -> str:
    """Return the id of the lock with this name; only who holds it calls this."""
    path = conf().DATA_DIR / "slots" / f"{name}.id"
    found = path.read_text() if path.exists() else ""
    if not found:
        found = new_id("")
        path.write_text(found)
    return found


def _forget_gone() -> None:
    gone = Now() - KEEP_GONE
    GpuLease.objects.filter(expires_at__lt=gone).delete()
    Heartbeat.objects.filter(beat_at__lt=gone).delete()
