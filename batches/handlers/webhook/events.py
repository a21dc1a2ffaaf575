"""The events that are sent: thin, so the receiver fetches the batch (contract 10.1)."""

import json
from datetime import datetime

from batches.models import BatchJob, Status
from vllm_batch.lib.clock import unix
from vllm_batch.lib.ids import derived_id

ENDS = (Status.COMPLETED, Status.FAILED, Status.EXPIRED, Status.CANCELLED)
EVENT_TYPES = tuple(f"batch.{status}" for status in ENDS)


def event_type_of(batch: BatchJob) -> str:
    """Return the event of the status a batch ended in."""
    return f"batch.{batch.status}"


def event_of(batch: BatchJob) -> str:
    """Return the body for an ended batch, always the same."""
    event_id = derived_id("evt_", batch.pk, batch.status)
    moment: datetime = getattr(batch, f"{batch.status}_at")
    return event(event_id, event_type_of(batch), moment, batch.pk)


def event(event_id: str, event_type: str, moment: datetime, batch_id: str) -> str:
    """Return an event as it is sent."""
    body = {
        "id": event_id,
        "object": "event",
        "created_at": unix(moment),
        "type": event_type,
        "data": {"id": batch_id},
    }
    return json.dumps(body, separators=(",", ":"))
