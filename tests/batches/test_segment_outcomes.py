"""What a segment's transaction counts and keeps beside the records."""

from dataclasses import replace
from datetime import timedelta

import pytest

from batches import claims, segments
from batches.models import BatchJob, Chunk, FailedRequest
from batches.segments import Results
from tests.batches.storing import BAD, GOOD, claim, store
from vllm_batch.lib.clock import database_now

pytestmark = pytest.mark.django_db


def test_failed_lines_become_dead_letters_in_the_same_transaction(chunk):
    held = claim(chunk)
    failed = replace(BAD, cause="invalid_request", message="no\0 \ud800", attempts=2)

    store(held, GOOD, failed)

    letter = FailedRequest.objects.get()
    assert (letter.batch_id, letter.line, letter.custom_id) == (chunk.batch_id, 11, "a")
    assert (letter.cause, letter.status, letter.attempts) == ("invalid_request", 400, 2)
    assert letter.message == "no\ufffd ?"


def test_outcomes_of_their_own_are_counted(chunk):
    held, results = claim(chunk), Results()
    results.add(b"{}\n", replace(GOOD, is_cut_off=True), 1, b'"a"')
    results.add(b"{}\n", replace(GOOD, is_invalid_output=True), 2, b'"b"')
    results.add_folded(b"{}\n", GOOD)

    segments.commit(held, segments.write(held, 1, results), results, b"\x07")

    batch = BatchJob.objects.get()
    assert (batch.cut_off, batch.invalid_output, batch.folded) == (1, 1, 1)
    assert batch.completed == 3 and batch.input_tokens == 2 * GOOD.usage.input_tokens


def vanish() -> None:
    """Let the leases run out, as after the death of their holder."""
    Chunk.objects.update(lease_expires_at=database_now() - timedelta(seconds=1))


def test_a_holder_that_vanished_without_a_result_is_counted(chunk):
    claim(chunk)
    vanish()
    claims.probe(claim(chunk, "bob"), 7)
    chunk.refresh_from_db()
    first = chunk.crash_count
    vanish()

    claim(chunk, "carol")

    chunk.refresh_from_db()
    assert (first, chunk.crash_count) == (1, 2)
    assert (chunk.probed_line, chunk.probe_count) == (7, 1)


@pytest.mark.parametrize(("second", "expected"), [(7, 2), (6, 1)])
def test_the_holders_that_had_one_line_alone_are_counted(chunk, second, expected):
    for owner, number in (("bob", 7), ("carol", second)):
        claims.probe(claim(chunk, owner), number)
        vanish()

    claim(chunk, "dave")

    chunk.refresh_from_db()
    assert (chunk.probed_line, chunk.probe_count) == (second, expected)


def test_a_result_makes_the_count_start_again(chunk):
    claim(chunk)
    vanish()
    store(claim(chunk), GOOD)
    vanish()

    claim(chunk)

    chunk.refresh_from_db()
    assert chunk.crash_count == 0


def test_a_chunk_that_was_given_back_did_not_crash(chunk):
    claim(chunk)
    Chunk.objects.update(
        lease_owner="", lease_expires_at=None, probed_line=3, probe_count=1
    )

    claim(chunk)

    chunk.refresh_from_db()
    assert (chunk.crash_count, chunk.probed_line, chunk.probe_count) == (0, None, 0)


def test_a_line_with_a_result_is_no_suspect(chunk):
    held = claim(chunk)
    claims.probe(held, chunk.first_line)
    store(held, GOOD)
    vanish()

    claim(chunk, "bob")

    chunk.refresh_from_db()
    assert (chunk.probed_line, chunk.probe_count) == (None, 0)
