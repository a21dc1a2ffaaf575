"""What has to happen by itself: doorbells that were lost are rung again."""

from django.utils import timezone
from django_q.models import OrmQ
from django_q.tasks import async_task

from batches.actions import ring_workers
from batches.handlers.lanes import is_work_due
from batches.handlers.webhook import progress
from batches.models import BatchJob, Chunk
from vllm_batch.lib.clock import database_now
from vllm_batch.lib.conf import conf


def sweep() -> None:
    """Ring again for work that waits and that nobody was rung for; cheap to repeat."""
    now = database_now()
    if BatchJob.objects.needing_ops(now).unattended(now).exists():
        _ring_once("ops", "batches.tasks.attend_waiting")
    if is_work_due():
        _ring_once("ops", "batches.tasks.run_handlers")
    if progress.waiting().exists():
        _ring_once("ops", "batches.tasks.tell_progress")
    if Chunk.objects.claimable(now).exists():
        ring_one_worker()


def ring_one_worker() -> None:
    """Ring for whichever worker is free, unless a doorbell lies there already."""
    if not _is_rung("gpu"):
        ring_workers()


def ring_purge() -> None:
    """Ask the ops queue to free storage."""
    _ring_once("ops", "batches.tasks.purge")


def ring_label_studio() -> bool:
    """Ask the ops queue to talk to Label Studio, if there is one; True if done."""
    if not conf().has_label_studio:
        return True
    # By its name, because imports point up only.
    return _ring_once("ops", "curation.label_studio.tasks.exchange")


def _is_rung(cluster: str) -> bool:
    """Tell whether a doorbell of this queue lies there that nobody took yet."""
    rung = OrmQ.objects.filter(key=cluster, lock__lte=timezone.now())
    return bool(rung.exists())


def _ring_once(cluster: str, task: str) -> bool:
    if _is_rung(cluster):
        return False
    async_task(task, cluster=cluster)
    return True
