"""A plug-in that fails with a client's words in its error."""

from batches.handlers.base import BatchMetadata, ResultHandler, Results


class LeakingHandler(ResultHandler):
    """Raises the first answer."""

    name = "leaking"

    def handle(self, batch_id: str, results: Results, metadata: BatchMetadata) -> bool:
        """Fail as a careless program would."""
        raise ValueError(f"cannot read {next(iter(results))!r}")
