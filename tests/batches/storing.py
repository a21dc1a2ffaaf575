"""Claim chunks and store results as a worker does, without running anything."""

from batches import claims, records, segments
from batches.models import Chunk, Segment
from batches.outcomes import Outcome, Usage
from batches.segments import Claim, Results

GOOD = Outcome(200, b"{}", Usage(7, 2, 3, 1))
BAD = Outcome(400, b'{"error":{}}', Usage())


def claim(chunk: Chunk, owner: str = "alice") -> Claim:
    """Lease a chunk for an owner, with a new fence."""
    found = claims.claim_next(owner, 60, Chunk.objects.filter(pk=chunk.pk))
    assert found is not None
    return Claim(
        chunk_id=found.pk,
        batch_id=found.batch_id,
        index=found.index,
        fence=found.fence,
        owner=owner,
    )


def results_of(*outcomes: Outcome, first: int = 1) -> Results:
    """Return one record for each outcome, of lines from `first` on."""
    results = Results()
    for number, outcome in enumerate(outcomes, first):
        record = records.answered("batch_1", number, b'"a"', "req_1", outcome)
        results.add(record, outcome, number, b'"a"')
    return results


def store(held: Claim, *outcomes: Outcome, sequence: int = 1) -> Segment:
    """Write and commit one segment."""
    results = results_of(*outcomes, first=10 * sequence)
    segment = segments.write(held, sequence, results)
    segments.commit(held, segment, results, b"\x01")
    return segment
