"""What a batch is made of. `segment` knows `chunk`, `chunk` knows `batch`."""

from batches.models.batch import BatchJob, Status, new_batch_id
from batches.models.chunk import Chunk
from batches.models.segment import Segment

__all__ = ["BatchJob", "Chunk", "Segment", "Status", "new_batch_id"]
