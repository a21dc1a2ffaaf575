"""Look at a batch's lines again without running them."""

from batches import actions
from batches.models import BatchJob
from batches.orders import BatchOrder


def dry_run(batch: BatchJob) -> BatchJob:
    """Make a batch over the same input that is validated, looked at and never run."""
    order = BatchOrder(
        input_file_id=batch.input_file_id,
        endpoint=batch.endpoint,
        completion_window=batch.completion_window,
        is_dry_run=True,
    )
    return actions.create(batch.project, order)
