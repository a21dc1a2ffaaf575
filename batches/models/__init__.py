"""What a batch is made of. `segment` knows `chunk`, `chunk` knows `batch`."""

from batches.models.attempt import Attempt, AttemptStatus
from batches.models.batch import BatchJob, Status, new_batch_id
from batches.models.chunk import Chunk
from batches.models.failed_request import Cause, FailedRequest
from batches.models.handler_run import HandlerRun
from batches.models.segment import Segment
from batches.models.webhook_delivery import WebhookDelivery
from batches.models.webhook_endpoint import WebhookEndpoint

__all__ = [
    "Attempt",
    "AttemptStatus",
    "BatchJob",
    "Cause",
    "Chunk",
    "FailedRequest",
    "HandlerRun",
    "Segment",
    "Status",
    "WebhookDelivery",
    "WebhookEndpoint",
    "new_batch_id",
]
