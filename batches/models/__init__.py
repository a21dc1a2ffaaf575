"""What a batch is made of. `segment` knows `chunk`, `chunk` knows `batch`."""

from batches.models.batch import BatchJob, Status, new_batch_id
from batches.models.chunk import Chunk
from batches.models.failed_request import Cause, FailedRequest
from batches.models.segment import Segment

__all__ = [
    "BatchJob",
    "Cause",
    "Chunk",
    "FailedRequest",
    "Segment",
    "Status",
    "new_batch_id",
]
