"""Order again what was ordered once: the same lines, the same wishes."""

from dataclasses import replace

from batches import actions, canary
from batches.models import BatchJob
from batches.orders import BatchOrder
from files.models import File
from vllm_batch.lib.clock import database_now
from vllm_batch.lib.errors import Conflict


def run_again(batch: BatchJob) -> BatchJob:
    """Make a new batch of the same input file, pinned to the batch's manifest.

    Raises an ApiError if the file is gone or the manifest cannot be met.
    """
    files = File.objects.of(batch.project).visible(database_now())
    if not files.filter(pk=batch.input_file_id, purged_at=None).exists():
        raise Conflict(
            f"The input file of batch {batch.pk} was deleted or has expired. Upload it"
            " again."
        )
    return actions.create(batch.project, replace(order_of(batch), manifest_of=batch.pk))


def order_of(batch: BatchJob) -> BatchOrder:
    """Return what was ordered, whether it was run or only looked at."""
    return BatchOrder(
        input_file_id=batch.input_file_id,
        endpoint=batch.endpoint,
        completion_window=batch.completion_window,
        metadata=batch.metadata,
        output_expires_seconds=batch.output_expires_seconds,
        priority=batch.priority,
        canary=canary.ordered(batch.canary),
    )
