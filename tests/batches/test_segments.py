"""Segments: durable results that only the chunk's owner can make count."""

from datetime import timedelta
from typing import Any

import pytest

from batches import claims, segments
from batches.exceptions import Fenced, SegmentDamaged
from batches.models import BatchJob, Chunk, Segment
from batches.segments import Claim
from files.stores import new_file
from tests.batches.storing import BAD, GOOD, claim, results_of, store
from tests.factories import lines, make_running_batch
from vllm_batch.lib.clock import database_now

pytestmark = pytest.mark.django_db


def rows() -> list[Any]:
    """Return everything that a commit may change."""
    tables: list[Any] = [BatchJob, Chunk, Segment]
    return [list(table.objects.order_by("pk").values()) for table in tables]


def test_a_commit_counts_lines_and_tokens(chunk):
    store(claim(chunk), GOOD, GOOD, BAD)

    batch = BatchJob.objects.get()
    assert (batch.completed, batch.failed) == (2, 1)
    assert (batch.input_tokens, batch.cached_tokens) == (14, 4)
    assert (batch.output_tokens, batch.reasoning_tokens) == (6, 2)


def test_a_commit_notes_which_lines_are_done(chunk):
    store(claim(chunk), GOOD)

    found = Chunk.objects.get()
    assert bytes(found.done) == b"\x01"
    assert (found.completed, found.failed, found.is_done) == (1, 0, False)


def test_the_last_line_ends_the_chunk_and_its_lease(chunk):
    store(claim(chunk), GOOD, BAD, GOOD)

    found = Chunk.objects.get()
    assert found.is_done
    assert (found.lease_owner, found.lease_expires_at) == ("", None)


def test_the_last_chunk_moves_the_batch_on(chunk):
    store(claim(chunk), GOOD, BAD, GOOD)

    assert BatchJob.objects.get().status == "finalizing"


def test_successes_come_first_in_a_segment(chunk, storage):
    segment = store(claim(chunk), BAD, GOOD)

    content = (storage / segment.path).read_bytes()
    assert b'"status_code":200' in content[: segment.output_bytes]
    assert b'"status_code":400' in content[segment.output_bytes :]
    assert len(content) == segment.bytes


def test_a_segment_that_is_only_written_does_not_count(chunk):
    before = rows()
    held = claim(chunk)

    segments.write(held, 1, results_of(GOOD))

    assert rows()[0] == before[0] and rows()[2] == []


def refused(held: Claim) -> None:
    """Check that a commit is fenced and changes nothing."""
    results = results_of(GOOD)
    segment = segments.write(held, 1, results)
    before = rows()

    with pytest.raises(Fenced):
        segments.commit(held, segment, results, b"\x01")

    assert rows() == before


def test_a_stale_fence_is_refused(chunk):
    held = claim(chunk)
    Chunk.objects.update(lease_expires_at=None)
    claim(chunk, "bob")

    refused(held)


def test_the_same_owner_with_an_older_fence_is_refused(chunk):
    held = claim(chunk)
    Chunk.objects.update(lease_expires_at=None)
    claim(chunk)

    refused(held)


def test_a_lease_that_has_ended_is_refused(chunk):
    held = claim(chunk)
    Chunk.objects.update(lease_expires_at=database_now() - timedelta(seconds=1))

    refused(held)


def test_a_chunk_that_was_given_back_is_refused(chunk):
    held = claim(chunk)
    Chunk.objects.update(lease_owner="", lease_expires_at=None)

    refused(held)


def test_a_chunk_that_was_freed_to_finalize_is_refused(chunk):
    held = claim(chunk)
    Chunk.objects.update(lease_expires_at=None)

    assert segments.free(chunk.batch)
    refused(held)


def test_a_live_lease_keeps_a_batch_from_being_freed(chunk):
    held = claim(chunk)

    assert not segments.free(chunk.batch)
    store(held, GOOD)


def test_committing_again_does_nothing(chunk):
    held = claim(chunk)
    results = results_of(GOOD)
    segment = segments.write(held, 1, results)
    segments.commit(held, segment, results, b"\x01")
    before = rows()

    again = segments.write(held, 1, results)
    segments.commit(held, again, results, b"\x01")

    assert rows() == before


def test_committing_again_after_the_chunk_ended_does_nothing(chunk):
    held = claim(chunk)
    results = results_of(GOOD, GOOD, GOOD)
    segment = segments.write(held, 1, results)
    segments.commit(held, segment, results, b"\x07")
    before = rows()

    segments.commit(held, segments.write(held, 1, results), results, b"\x07")

    assert rows() == before


def test_a_second_segment_adds_up(chunk):
    held = claim(chunk)
    store(held, GOOD)

    store(held, BAD, sequence=2)

    assert Segment.objects.count() == 2
    assert (Chunk.objects.get().completed, Chunk.objects.get().failed) == (1, 1)


def copied() -> tuple[bytes, bytes]:
    with new_file() as output, new_file() as error:
        list(segments.copy_parts(Segment.objects.all(), output, error))
        with output.reopen() as first, error.reopen() as second:
            return first.read(), second.read()


def test_copying_splits_successes_and_failures(chunk):
    store(claim(chunk), BAD, GOOD, BAD)

    output, error = copied()

    assert output.count(b"\n") == output.count(b'"status_code":200') == 1
    assert error.count(b"\n") == error.count(b'"status_code":400') == 2


@pytest.mark.parametrize("damage", [b"", b"{}\n", None])
def test_a_damaged_segment_is_seen(chunk, storage, damage):
    path = storage / store(claim(chunk), GOOD, BAD).path
    flipped = path.read_bytes().replace(b"200", b"201")
    path.write_bytes(flipped if damage is None else damage)

    with pytest.raises(SegmentDamaged, match="is not what was committed"):
        copied()


def test_segments_stay_a_while_after_the_end(chunk, storage):
    segment = store(claim(chunk), GOOD, GOOD, GOOD)
    moment = database_now() - segments.KEEP_ENDED / 2
    BatchJob.objects.update(status="completed", completed_at=moment)

    count = segments.purge_ended()

    assert count == 0 and (storage / segment.path).exists()


def test_segments_go_a_while_after_the_end(chunk, storage):
    segment = store(claim(chunk), GOOD, GOOD, GOOD)
    moment = database_now() - 2 * segments.KEEP_ENDED
    BatchJob.objects.update(status="completed", completed_at=moment)

    count = segments.purge_ended()

    assert count == 1 and not Segment.objects.exists()
    assert not (storage / segment.path).exists()


def test_segments_of_a_live_batch_stay(chunk, storage):
    segment = store(claim(chunk), GOOD)

    count = segments.purge_ended()

    assert count == 0 and (storage / segment.path).exists()


def test_a_chunk_is_claimed_by_one_even_if_two_saw_it():
    batch = make_running_batch(*lines(1))
    seen = list(batch.chunks.all())
    candidates: Any = batch.chunks.all()
    first = claims.claim_next("alice", 60, candidates)

    class Stale:
        def select_related(self, *names: str) -> list[Chunk]:
            return seen

    stale: Any = Stale()
    second = claims.claim_next("bob", 60, stale)

    assert first is not None and second is None
    assert Chunk.objects.get().lease_owner == "alice"
