"""Turn a claimed chunk into requests for the engine, and note what came of them."""

from dataclasses import dataclass, field

from batches.lines import mark_done, open_input, pending_lines
from batches.models import Chunk
from batches.ordering import Traits, target_url
from batches.outcomes import Outcome
from batches.records import answered
from batches.segments import Claim, Results
from vllm_batch.lib.conf import conf
from vllm_batch.lib.ids import new_id
from vllm_batch.lib.logs import Work


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
    # Only paused: what is in flight ends, and counts.
    is_pausing: bool = False
    sequence: int = 0
    # How the ids of its answers begin: 24 of the 32 digits.
    answer_ids: str = field(default_factory=lambda: new_id("req_")[:-8])
    # For the log, and for servers that are asked.
    work: Work = field(default_factory=Work)

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
    url: str
    # Equal keys of one batch get one answer; empty: this one runs for itself.
    fold_key: bytes = b""
    # Until it is taken from the queue for the first time.
    is_fresh: bool = True

    def settle(self, outcome: Outcome, *, is_folded: bool = False) -> None:
        """Write the line's record; it counts once its segment is committed."""
        held = self.chunk
        record = answered(
            held.claim.batch_id, self.number, self.custom_id, self._id(), outcome
        )
        if is_folded:
            held.results.add_folded(record, outcome)
        else:
            held.results.add(record, outcome, self.number, self.custom_id)
        held.finished_lines.append(self.number)

    def _id(self) -> str:
        """Return the answer's id: random for each claim, so that lines only count."""
        return f"{self.chunk.answer_ids}{self.number:08x}"


def in_hand(chunk: Chunk, owner: str) -> ChunkInHand:
    """Describe a chunk that was just claimed."""
    claim = Claim(
        chunk_id=chunk.pk,
        batch_id=chunk.batch_id,
        index=chunk.index,
        fence=chunk.fence,
        owner=owner,
        line_count=chunk.line_count,
    )
    return ChunkInHand(
        claim=claim,
        endpoint=chunk.batch.endpoint,
        first_line=chunk.first_line,
        done=bytearray(chunk.done),
        work=Work(chunk.batch.request_id, chunk.batch_id, str(chunk.batch.project_id)),
    )


def requests_of(chunk: Chunk, held: ChunkInHand) -> list[Request]:
    """Read the chunk's open lines, in the order they should run.

    A chunk is small enough to be held (BATCH_CHUNK_LINES, BATCH_CHUNK_BYTES). The
    input's bytes reach the engine unchanged.
    """
    fold = conf().BATCH_FOLD_DUPLICATES
    found: list[tuple[tuple[bytes, int, bytes], Request]] = []
    with open_input(chunk.batch) as stream:
        for line in pending_lines(stream, chunk, is_mixed=chunk.batch.is_mixed):
            url = target_url(held.endpoint, line.body)
            traits = Traits(url, line.body, fold=fold)
            request = Request(
                held, line.number, line.custom_id, line.body, url, traits.fold_key
            )
            found.append((traits.sort_key, request))
    found.sort(key=lambda pair: pair[0])
    return [request for _, request in found]
