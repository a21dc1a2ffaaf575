"""What can go wrong with a batch, apart from what the client did."""


class BatchError(Exception):
    """A batch could not go on."""


class Fenced(BatchError):
    """Another worker owns the chunk now; nothing was written."""


class SegmentDamaged(BatchError):
    """A segment's bytes are not those that were committed."""


class ParentLost(BatchError):
    """The batch whose results are to be merged is not there any more."""


class QuotaReached(BatchError):
    """The project may not have so many tokens enqueued."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"{limit} tokens")
        self.limit = limit
