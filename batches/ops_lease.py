"""The right to validate or finalize a batch: one ops task at a time has it."""

from datetime import timedelta

from django.db.models.functions import Now

from batches.models import BatchJob
from vllm_batch.lib.clock import database_now


def lease(batch: BatchJob, seconds: int) -> bool:
    """Take or renew the right to validate or finalize; False if another holds it."""
    changed = (
        BatchJob.objects.live()
        .unattended(database_now())
        .filter(pk=batch.pk)
        .update(ops_lease_expires_at=Now() + timedelta(seconds=seconds))
    )
    return changed == 1


def renew(batch: BatchJob, seconds: int) -> None:
    """Keep the right taken with `lease` during long work."""
    BatchJob.objects.live().filter(pk=batch.pk).update(
        ops_lease_expires_at=Now() + timedelta(seconds=seconds)
    )


def release(batch: BatchJob) -> None:
    """Give the right back before it ends, so that the next task need not wait."""
    BatchJob.objects.live().filter(pk=batch.pk).update(ops_lease_expires_at=None)
