"""The smallest handler: one line in the log for each ended batch."""

import logging

from batches.handlers.base import BatchMetadata, ResultHandler, Results

logger = logging.getLogger(__name__)


class LogHandler(ResultHandler):
    """Logs how a batch ended."""

    name = "log"

    def handle(self, batch_id: str, results: Results, metadata: BatchMetadata) -> bool:
        """Write the line."""
        counts = metadata.counts
        logger.info(
            "%s is %s: %d lines, %d completed, %d failed",
            batch_id,
            metadata.status,
            counts.total,
            counts.completed,
            counts.failed,
        )
        return True
