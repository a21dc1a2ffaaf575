"""Turn a claimed chunk into requests for the engine, and note what came of them."""

from collections.abc import Generator
from dataclasses import dataclass, field

from batches.lines import mark_done, open_input, pending_lines
from batches.models import Chunk
from batches.segments import Claim, Results


@dataclass(eq=False)
class ChunkInHand:
    """A chunk this worker holds: what is still out, and what waits to be committed."""

    claim: Claim
    endpoint: str
    first_line: int
    # Lines with a durable result; those in `finished_lines` wait in `results`.
    done: bytearray
    results: Results = field(default_factory=Results)
    finished_lines: list[int] = field(default_factory=list)
    outstanding: int = 0
    is_read: bool = False
    # Set when its results are wanted no more: cancelled, expired, paused, or fenced.
    stopped: str = ""
    sequence: int = 0

    @property
    def is_complete(self) -> bool:
        """Tell whether no more results will come."""
        return self.is_read and self.outstanding == 0

    def take_results(self) -> tuple[Results, list[int]]:
        """Hand over what waits: the records, and the lines they belong to."""
        results, self.results = self.results, Results()
        numbers, self.finished_lines = self.finished_lines, []
        return results, numbers

    def done_with(self, numbers: list[int]) -> bytearray:
        """Return the bitmap that is true once those lines are durable."""
        done = bytearray(self.done)
        for number in numbers:
            mark_done(done, number - self.first_line)
        return done


@dataclass(eq=False, slots=True)
class Request:
    """One line on its way through the engine."""

    chunk: ChunkInHand
    number: int
    custom_id: bytes
    body: bytes


def in_hand(chunk: Chunk, owner: str) -> ChunkInHand:
    """Describe a chunk that was just claimed."""
    claim = Claim(
        chunk_id=chunk.pk,
        batch_id=chunk.batch_id,
        index=chunk.index,
        fence=chunk.fence,
        owner=owner,
    )
    return ChunkInHand(
        claim=claim,
        endpoint=chunk.batch.endpoint,
        first_line=chunk.first_line,
        done=bytearray(chunk.done),
    )


def requests_of(chunk: Chunk, held: ChunkInHand) -> Generator[Request, None, None]:
    """Read the chunk's open lines; the input's bytes reach the engine unchanged."""
    with open_input(chunk.batch) as stream:
        for line in pending_lines(stream, chunk, is_mixed=chunk.batch.is_mixed):
            yield Request(held, line.number, line.custom_id, line.body)
