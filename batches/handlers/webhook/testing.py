"""Send a sample event while the caller waits."""

from batches.handlers.webhook.delivering import send
from batches.handlers.webhook.events import PROGRESS, event
from batches.models import WebhookEndpoint
from vllm_batch.lib.clock import database_now
from vllm_batch.lib.errors import Conflict
from vllm_batch.lib.ids import new_id

# A web server's thread waits for it.
SECONDS = 5.0
SAMPLE_BATCH = "batch_test"
SAMPLE_DATA = {PROGRESS: {"percent": 50}}


def send_sample(endpoint: WebhookEndpoint, event_type: str) -> int:
    """Return the HTTP status of the receiver; raises Conflict if it has none."""
    data = SAMPLE_DATA.get(event_type, {})
    body = event(new_id("evt_"), event_type, database_now(), SAMPLE_BATCH, **data)
    outcome = send(endpoint, new_id("wh_"), body.encode(), seconds=SECONDS)
    if outcome.reply is None:
        raise Conflict(
            f"The webhook endpoint gave no answer: {outcome.error}.",
            code="endpoint_unreachable",
        )
    return outcome.reply.status
