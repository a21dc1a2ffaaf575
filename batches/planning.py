"""Cut a batch file into chunks while it is validated, in one pass."""

from batches.models import BatchJob, Chunk
from vllm_batch.lib.jsonl import Line


class Planner:
    """Collects requests and cuts a chunk every `chunk_lines` or `chunk_bytes` of them.

    A file with several models yields one chunk per model over the same lines, so that
    a worker that has one model loaded finds its lines together.
    """

    def __init__(
        self, batch: BatchJob, chunk_lines: int, chunk_bytes: int = 1 << 23
    ) -> None:
        self.chunks: list[Chunk] = []
        self._batch = batch
        # The first lines to be tried are chunks of their own.
        self._first_lines = batch.canary["lines"] if batch.canary else 0
        self._line_count = 0
        self._chunk_lines = chunk_lines
        self._chunk_bytes = chunk_bytes
        self._open()

    def _open(self) -> None:
        self._counts: dict[str, int] = {}
        self._first: Line | None = None
        self._last: Line | None = None

    def add(self, line: Line, model: str) -> None:
        """Take one valid request."""
        self._first = self._first or line
        self._last = line
        self._counts[model] = self._counts.get(model, 0) + 1
        self._line_count += 1
        is_long = (
            sum(self._counts.values()) >= self._chunk_lines
            or self._line_count == self._first_lines
        )
        size = line.offset + line.length - self._first.offset
        if is_long or size >= self._chunk_bytes:
            self.cut()

    def cut(self) -> None:
        """End the open slice; called once more after the last line."""
        if self._first is None or self._last is None:
            return
        span = self._last.number - self._first.number + 1
        end = self._last.offset + self._last.length
        for model, count in self._counts.items():
            self.chunks.append(
                Chunk(
                    batch=self._batch,
                    index=len(self.chunks),
                    model=model,
                    first_line=self._first.number,
                    span=span,
                    line_count=count,
                    first_byte=self._first.offset,
                    byte_count=end - self._first.offset,
                    done=bytes((span + 7) // 8),
                )
            )
        self._open()
