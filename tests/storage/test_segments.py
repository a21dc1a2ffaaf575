"""Segments and files of batches in a bucket: written once, joined without a copy."""

from typing import Any

import pytest

from batches import segments
from batches.exceptions import Fenced
from batches.models import BatchJob, Chunk, Segment
from batches.outcomes import Outcome, Usage
from batches.tasks import purge
from files.models import File, batch_storage
from files.stores.s3 import ObjectStorage
from tests.batches.ending import GOOD, LIMITED, commit, content, end, ids, retried, run
from tests.batches.storing import BAD, claim, results_of
from tests.factories import lines, make_running_batch

pytestmark = pytest.mark.django_db
MIB = 1 << 20


def big(size: int) -> Outcome:
    """An answer of so many bytes."""
    return Outcome(200, b'{"x":"' + b"x" * size + b'"}', Usage())


def test_a_batch_runs_from_bucket_to_bucket(bucket):
    batch = make_running_batch(*lines(3))

    run(batch, GOOD, LIMITED, GOOD)

    assert batch.status == "completed"
    assert ids(content(batch.output_file_id)) == ["l0", "l2"]
    assert ids(content(batch.error_file_id)) == ["l1"]
    assert [name.split("/")[0] for name in bucket.names()] == ["files"] * 3 + [
        "segments"
    ]


def test_two_who_race_for_a_segment_write_two_objects_and_one_counts(bucket):
    chunk = make_running_batch(*lines(1)).chunks.get()
    late = claim(chunk)
    Chunk.objects.update(lease_expires_at=None)
    now = claim(chunk, "bob")
    # The same name: as if the database had been set back, and fences came again.
    same = segments.Claim(
        chunk_id=late.chunk_id,
        batch_id=late.batch_id,
        index=late.index,
        fence=now.fence,
        owner="alice",
    )
    first, second = results_of(BAD), results_of(GOOD)

    lost, won = segments.write(same, 1, first), segments.write(now, 1, second)
    segments.commit(now, won, second, b"\x01")
    with pytest.raises(Fenced):
        segments.commit(same, lost, first, b"\x01", is_first_try=True)

    assert lost.path != won.path
    assert bucket.read(won.path) == b"".join(second.output)
    assert list(Segment.objects.values_list("path", flat=True)) == [won.path]


def test_a_write_whose_answer_was_lost_is_not_doubled(bucket):
    chunk = make_running_batch(*lines(1)).chunks.get()
    held, results = claim(chunk), results_of(GOOD)

    first = segments.write(held, 1, results)
    second = segments.write(held, 1, results)

    assert first.path == second.path


@pytest.fixture
def read(monkeypatch: Any, bucket: Any) -> list[str]:
    """The keys that our own code reads while a test runs."""
    keys: list[str] = []
    original = ObjectStorage.get_range

    def get_range(self: Any, key: str, start: int, count: int) -> Any:
        keys.append(key.removeprefix(bucket.folder + "/"))
        return original(self, key, start, count)

    monkeypatch.setattr(ObjectStorage, "get_range", get_range)
    return keys


def test_large_segments_are_joined_by_the_store(bucket, read):
    batch = make_running_batch(*lines(3))
    first = commit(batch, {0: big(6 * MIB)})
    second = commit(batch, {1: big(9 * MIB), 2: LIMITED}, sequence=2)
    output = bucket.read(first.path) + bucket.read(second.path)[: second.output_bytes]
    read.clear()

    end(batch)

    assert batch.status == "completed"
    file = File.objects.get(pk=batch.output_file_id)
    assert bucket.read(file.path) == output and file.bytes == len(output)
    assert bucket.parts(file.path) == 2 and file.sha256 == ""
    # Only the error record at the end of the second one.
    assert read == [second.path, second.path] or read == [second.path]


def test_small_segments_are_read_and_joined(bucket, read):
    batch = make_running_batch(*lines(4))
    paths = [commit(batch, {n: big(n * MIB)}, n + 1).path for n in range(4)]
    output = b"".join(map(bucket.read, paths))

    end(batch)

    file = File.objects.get(pk=batch.output_file_id)
    assert bucket.read(file.path) == output and file.sha256
    assert set(paths) <= set(read)


@pytest.mark.parametrize("size", [10, 6 * MIB], ids=["small", "large"])
@pytest.mark.parametrize("damage", ["another", "shorter"])
def test_a_damaged_segment_fails_the_batch(bucket, size, damage):
    batch = make_running_batch(*lines(1))
    segment = commit(batch, {0: big(size)})
    found = bucket.read(segment.path)
    damaged = found.replace(b"x", b"y") if damage == "another" else found[:-5]
    bucket.put(segment.path, damaged)

    end(batch)

    assert batch.status == "failed" and batch.output_file_id is None
    assert bucket.uploads() == []


def test_a_lost_segment_fails_the_batch(bucket):
    batch = make_running_batch(*lines(1))
    segment = commit(batch, {0: GOOD})
    batch_storage().delete(segment.path)

    end(batch)

    assert batch.status == "failed" and batch.errors is not None
    assert "results that were stored" in batch.errors["data"][0]["message"]


def test_a_bucket_that_is_gone_is_waited_for(bucket, options, settings):
    batch = make_running_batch(*lines(1))
    commit(batch, {0: GOOD})
    here = options["bucket_name"]
    options["bucket_name"] = "elsewhere"
    settings.STORAGES = {**settings.STORAGES}  # made anew, with the new name

    assert end(batch).status == "finalizing"

    options["bucket_name"] = here
    settings.STORAGES = {**settings.STORAGES}
    BatchJob.objects.update(ops_lease_expires_at=None)
    assert end(batch).status == "completed"


def test_a_folder_that_is_empty_is_waited_for(bucket, options, settings):
    """A wrong AWS_LOCATION is no loss."""
    batch = make_running_batch(*lines(1))
    commit(batch, {0: GOOD})
    options["location"] = "somewhere/else"
    settings.STORAGES = {**settings.STORAGES}

    assert end(batch).status == "finalizing"


def test_a_merged_retry_takes_the_parents_output_without_reading_it(bucket, read):
    parent = run(make_running_batch(*lines(2)), big(6 * MIB), LIMITED)
    child = end(retried(parent, {"merge": True}))
    commit(child, {0: GOOD})
    taken = File.objects.get(pk=parent.output_file_id).path
    read.clear()

    end(child)

    assert child.status == "completed" and taken not in read
    assert ids(content(child.output_file_id)) == ["l0", "l1"]


def test_segments_of_an_ended_batch_are_purged(bucket):
    batch = make_running_batch(*lines(1))
    run(batch, GOOD)
    bucket.put(f"segments/{batch.pk}/0-9-9.jsonl", b"litter")
    BatchJob.objects.update(completed_at=batch.created_at.replace(year=2020))

    purge()

    assert [name.split("/")[0] for name in bucket.names()] == ["files"] * 2
