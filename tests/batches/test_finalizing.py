"""Output and error files: one record a line, one winner, no leftovers."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from batches import finalizing, records, segments
from batches.finalizing import finalize
from batches.models import BatchJob, Chunk, Segment
from batches.tasks import attend, purge
from files.models import File, batch_storage
from tests.batches.storing import BAD, GOOD, claim
from tests.factories import lines, make_running_batch
from vllm_batch.lib.clock import database_now

pytestmark = pytest.mark.django_db


def run_lines(batch: BatchJob, *outcomes: Any) -> None:
    """Commit these outcomes for the first lines of the batch's only chunk."""
    held = claim(batch.chunks.get())
    results = segments.Results()
    for number, outcome in enumerate(outcomes, 1):
        custom_id = json.dumps(f"l{number - 1}").encode()
        record = records.answered(batch.pk, number, custom_id, "req_1", outcome)
        results.add(record, outcome, number, custom_id)
    segment = segments.write(held, 1, results)
    done = bytes([(1 << len(outcomes)) - 1])
    segments.commit(held, segment, results, done)
    Chunk.objects.update(lease_owner="", lease_expires_at=None)
    batch.refresh_from_db()


def ended(batch: BatchJob) -> BatchJob:
    attend(batch.pk)
    batch.refresh_from_db()
    return batch


def ids(file_id: str | None) -> list[str]:
    if file_id is None:
        return []
    with batch_storage().open(File.objects.get(pk=file_id).path) as file:
        return [json.loads(text)["custom_id"] for text in file.read().splitlines()]


# Less than nothing: what ended this very moment ended long enough ago.
SOON = timedelta(seconds=-5)


def stored(storage: Path) -> int:
    return len([path for path in storage.rglob("*") if path.is_file()])


def test_a_batch_whose_lines_all_succeeded_has_an_output_file_only():
    batch = make_running_batch(*lines(3))
    run_lines(batch, GOOD, GOOD, GOOD)

    ended(batch)

    assert batch.status == "completed" and batch.error_file_id is None
    assert ids(batch.output_file_id) == ["l0", "l1", "l2"]


def test_a_batch_whose_lines_all_failed_has_an_error_file_only():
    batch = make_running_batch(*lines(2))
    run_lines(batch, BAD, BAD)

    ended(batch)

    assert batch.status == "completed" and batch.output_file_id is None
    assert ids(batch.error_file_id) == ["l0", "l1"]


def test_the_two_files_together_have_one_record_a_line():
    batch = make_running_batch(*lines(3))
    run_lines(batch, GOOD, BAD, GOOD)

    ended(batch)

    assert ids(batch.output_file_id) == ["l0", "l2"]
    assert ids(batch.error_file_id) == ["l1"]


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"status": "cancelling"}, "cancelled", "batch_cancelled"),
        ({"expires_at": database_now}, "expired", "batch_expired"),
    ],
)
def test_lines_that_did_not_run_say_why(change, status, code):
    batch = make_running_batch(*lines(3))
    run_lines(batch, GOOD)
    values = {key: v() if callable(v) else v for key, v in change.items()}
    BatchJob.objects.update(**values)

    ended(batch)

    assert batch.status == status and (batch.completed, batch.failed) == (1, 0)
    assert ids(batch.output_file_id) == ["l0"]
    assert ids(batch.error_file_id) == ["l1", "l2"]
    file = File.objects.get(pk=batch.error_file_id)
    with batch_storage().open(file.path) as content:
        errors = [json.loads(text)["error"]["code"] for text in content]
    assert errors == [code, code]


def test_the_files_belong_to_the_batchs_project():
    batch = make_running_batch(*lines(2))
    run_lines(batch, GOOD, BAD)

    ended(batch)

    made = File.objects.filter(purpose="batch_output")
    assert {file.project for file in made} == {batch.project}
    assert {file.filename for file in made} == {
        f"{batch.pk}_output.jsonl",
        f"{batch.pk}_error.jsonl",
    }


@pytest.mark.parametrize(("asked", "seconds"), [(None, 30 * 86_400), (3600, 3600)])
def test_the_files_live_as_long_as_asked(asked, seconds):
    batch = make_running_batch(*lines(1), output_expires_seconds=asked)
    run_lines(batch, GOOD)

    ended(batch)

    file = File.objects.get(pk=batch.output_file_id)
    assert file.expires_at is not None
    assert (file.expires_at - file.created_at).total_seconds() == seconds


def test_finalizing_twice_makes_one_set_of_files():
    batch = make_running_batch(*lines(2))
    run_lines(batch, GOOD, BAD)
    ended(batch)
    row = BatchJob.objects.values().get()

    ended(batch)

    assert BatchJob.objects.values().get() == row
    assert File.objects.filter(purpose="batch_output").count() == 2


def overtaken(batch: BatchJob, monkeypatch: Any, module: Any, name: str) -> list[bool]:
    """Let a second finalizer run through when the first one calls `module.name`."""
    second = BatchJob.objects.get(pk=batch.pk)
    original = getattr(module, name)
    wins: list[bool] = []

    def overtake(*args: Any) -> Any:
        monkeypatch.setattr(module, name, original)
        wins.append(finalize(second, lambda: None))
        segments.purge_ended(keep=SOON)
        return original(*args)

    monkeypatch.setattr(module, name, overtake)
    return wins


def test_of_two_finalizers_one_wins_and_the_other_leaves_nothing(storage, monkeypatch):
    batch = make_running_batch(*lines(2))
    run_lines(batch, GOOD, BAD)
    wins = overtaken(batch, monkeypatch, finalizing, "_prepare")

    won = finalize(batch, lambda: None)

    assert (wins, won) == ([True], False)
    assert File.objects.filter(purpose="batch_output").count() == 2
    assert stored(storage) == 3  # the input and two files


def test_a_finalizer_whose_segments_were_cleared_away_does_no_harm(
    storage, monkeypatch
):
    batch = make_running_batch(*lines(2))
    run_lines(batch, GOOD, BAD)
    wins = overtaken(batch, monkeypatch, segments, "copy_parts")

    ended(batch)

    assert wins == [True] and batch.status == "completed" and batch.errors is None
    assert stored(storage) == 3


def test_a_cancel_during_finalizing_wins():
    batch = make_running_batch(*lines(1))
    run_lines(batch, GOOD)

    def cancel() -> None:
        BatchJob.objects.update(status="cancelling", cancelling_at=database_now())

    closed = finalize(batch, cancel)

    assert not closed and not File.objects.filter(purpose="batch_output").exists()
    assert ended(batch).status == "cancelled"
    assert ids(batch.output_file_id) == ["l0"]


def test_a_worker_that_holds_a_chunk_is_waited_for():
    batch = make_running_batch(*lines(1))
    claim(batch.chunks.get())
    BatchJob.objects.update(status="cancelling")

    ended(batch)

    assert batch.status == "cancelling" and batch.error_file_id is None


def test_segments_stay_a_while_for_those_who_read_them(storage):
    batch = make_running_batch(*lines(1))
    run_lines(batch, GOOD)

    ended(batch)
    purge()

    assert Segment.objects.exists()
    assert stored(storage) == 3  # the input, the segment and the output


def test_damaged_results_fail_the_batch_and_are_not_delivered(storage):
    batch = make_running_batch(*lines(1))
    run_lines(batch, GOOD)
    (storage / Segment.objects.get().path).write_bytes(b"{}\n")

    ended(batch)

    assert batch.status == "failed" and batch.output_file_id is None
    assert batch.errors is not None
    assert batch.errors["data"][0]["code"] == "server_error"


def test_a_record_that_is_lost_fails_the_batch():
    batch = make_running_batch(*lines(2))
    run_lines(batch, GOOD, GOOD)
    Segment.objects.all().delete()

    assert ended(batch).status == "failed"


def test_records_of_a_batch_keep_their_ids_when_written_again():
    first, second = (
        json.loads(records.unexecuted("batch_1", 7, b'"a"', "batch_expired"))
        for _ in range(2)
    )

    assert first["id"] == second["id"]
