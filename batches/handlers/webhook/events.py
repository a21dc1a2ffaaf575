"""The events that are sent: thin, so the receiver fetches the batch (contract 10.1).

`batch.progress` is ours: OpenAI has none for a batch that still runs.
"""

import json
from datetime import datetime

from batches.models import BatchJob, Status
from vllm_batch.lib.clock import unix
from vllm_batch.lib.ids import derived_id

ENDS = (Status.COMPLETED, Status.FAILED, Status.EXPIRED, Status.CANCELLED)
END_TYPES = tuple(f"batch.{status}" for status in ENDS)
PROGRESS = "batch.progress"
EVENT_TYPES = (*END_TYPES, PROGRESS)


def event_type_of(batch: BatchJob) -> str:
    """Return the event of the status a batch ended in."""
    return f"batch.{batch.status}"


def event_of(batch: BatchJob) -> str:
    """Return the body for an ended batch, always the same."""
    event_id = derived_id("evt_", batch.pk, batch.status)
    moment: datetime = getattr(batch, f"{batch.status}_at")
    return event(event_id, event_type_of(batch), moment, batch.pk)


def event(
    event_id: str, event_type: str, moment: datetime, batch_id: str, **data: int
) -> str:
    """Return an event as it is sent, with what it tells beside the batch's id."""
    body = {
        "id": event_id,
        "object": "event",
        "created_at": unix(moment),
        "type": event_type,
        "data": {"id": batch_id, **data},
    }
    return json.dumps(body, separators=(",", ":"))
