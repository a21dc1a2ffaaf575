"""What batches, handlers and webhooks count."""

import logging

from django.db import transaction
from prometheus_client import Counter

from batches.models import BatchJob, Chunk

logger = logging.getLogger(__name__)

BATCHES = Counter("vllm_batch_jobs", "Batches that came to a status.", ["status"])
LEASE_EXPIRIES = Counter(
    "vllm_lease_expiries", "Chunks taken over from a worker that vanished.", ["model"]
)
HANDLER_RUNS = Counter(
    "vllm_handler_runs", "Runs of result handlers.", ["handler", "outcome"]
)
WEBHOOKS = Counter(
    "vllm_webhook_deliveries", "Tries to deliver a webhook.", ["outcome"]
)


def note_status(batch: BatchJob) -> None:
    """Log and count a batch that came to the status it has."""
    logger.info("batch %s is %s", batch.pk, batch.status)
    # Only if the transaction commits.
    transaction.on_commit(BATCHES.labels(batch.status).inc)


def note_claim(chunk: Chunk, owner: str) -> None:
    """Count a claim, as the chunk was before it, if somebody else held it till now."""
    if chunk.lease_owner not in ("", owner):
        LEASE_EXPIRIES.labels(chunk.model).inc()
