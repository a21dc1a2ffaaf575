"""What has to happen by itself: doorbells that were lost, files whose time is up."""

from django.db.models import Exists, OuterRef
from django.db.models.functions import Now
from django.utils import timezone
from django_q.models import OrmQ
from django_q.tasks import async_task

from batches.actions import ring_workers
from batches.models import BatchJob, Chunk
from files.models import File, batch_storage
from vllm_batch.lib.clock import database_now


def sweep() -> None:
    """Ring again for work that waits and that nobody was rung for; cheap to repeat."""
    now = database_now()
    if BatchJob.objects.needing_ops(now).unattended(now).exists():
        _ring_once("ops", "batches.tasks.attend_waiting")
    if Chunk.objects.claimable(now).exists() and not _is_rung("gpu"):
        ring_workers()


def ring_purge() -> None:
    """Ask the ops queue to free storage."""
    _ring_once("ops", "batches.tasks.purge")


def _is_rung(cluster: str) -> bool:
    """Tell whether a doorbell of this queue lies there that nobody took yet."""
    rung = OrmQ.objects.filter(key=cluster, lock__lte=timezone.now())
    return bool(rung.exists())


def _ring_once(cluster: str, task: str) -> None:
    if not _is_rung(cluster):
        async_task(task, cluster=cluster)


def purge_files() -> int:
    """Delete the bytes of deleted and expired files that no live batch still reads."""
    live = BatchJob.objects.live().filter(input_file_id=OuterRef("pk"))
    gone = File.objects.gone(database_now()).exclude(Exists(live))[:1000]
    for file in gone:
        batch_storage().delete(file.path)
        File.objects.filter(pk=file.pk).update(purged_at=Now())
    return len(gone)
