"""A file that is lost ends its batch; a storage that is away is waited for."""

import shutil
from datetime import timedelta
from typing import Any

import pytest
from django.db import DataError, InterfaceError, OperationalError

from batches.models import BatchJob, Segment
from batches.purging import purge_files
from batches.tasks import attend
from files.models import File
from files.storage import DurableFileSystemStorage
from tests.batches.ending import GOOD, LIMITED, commit, end, make_ended, retried
from tests.factories import lines, make_batch, make_model, make_running_batch
from vllm_batch.lib.clock import database_now

pytestmark = pytest.mark.django_db


def remove(storage: Any, file_id: str | None) -> None:
    (storage / File.objects.get(pk=file_id).path).unlink()


def message(batch: BatchJob) -> str:
    assert batch.status == "failed" and batch.errors is not None
    (fault,) = batch.errors["data"]
    assert fault["code"] == "server_error"
    text: str = fault["message"]
    return text


def test_a_lost_input_fails_the_batch_in_validation(storage):
    batch = make_batch()
    remove(storage, batch.input_file_id)

    assert "The server lost the input file" in message(end(batch))


def test_a_lost_input_fails_a_batch_that_has_to_name_lines_that_did_not_run(storage):
    batch = make_running_batch(*lines(2))
    remove(storage, batch.input_file_id)
    BatchJob.objects.update(status="cancelling")

    assert "the input file" in message(end(batch))


def test_a_lost_segment_fails_the_batch(storage):
    batch = make_running_batch(*lines(1))
    commit(batch, {0: GOOD})
    (storage / Segment.objects.get().path).unlink()

    assert "results that were stored" in message(end(batch))


@pytest.mark.parametrize("kind", ["output", "error"])
def test_a_lost_file_of_the_parent_fails_a_merged_batch(storage, kind):
    parent = make_ended(GOOD, LIMITED)
    child = end(retried(parent, {"merge": True}))
    commit(child, {0: GOOD})
    remove(storage, getattr(parent, f"{kind}_file_id"))

    assert f"the parent's {kind} file" in message(end(child))


def test_a_storage_that_is_not_mounted_is_waited_for(storage):
    batch = make_running_batch(*lines(1))
    commit(batch, {0: GOOD})
    storage.rename(storage.with_name("away"))
    storage.mkdir()

    assert end(batch).status == "finalizing"

    shutil.rmtree(storage)
    storage.with_name("away").rename(storage)
    BatchJob.objects.update(ops_lease_expires_at=None)
    assert end(batch).status == "completed"


def test_a_storage_that_does_not_answer_is_waited_for(storage, monkeypatch):
    make_model()
    batch = make_batch()
    remove(storage, batch.input_file_id)

    def refuse(*args: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(DurableFileSystemStorage, "listdir", refuse)

    assert end(batch).status == "validating"


def test_a_file_that_only_seemed_lost_is_waited_for(monkeypatch):
    batch = make_running_batch(*lines(1))
    commit(batch, {0: GOOD})

    def stumble(**kwargs: object) -> None:
        raise FileNotFoundError("the folder for temporary files")

    monkeypatch.setattr("files.stores.local.NamedTemporaryFile", stumble)

    assert end(batch).status == "finalizing"


def test_a_full_disk_is_waited_for_and_leaves_nothing(storage, monkeypatch):
    batch = make_running_batch(*lines(2))
    commit(batch, {0: GOOD, 1: LIMITED})
    before = names(storage)
    original, calls = DurableFileSystemStorage._save, iter([True])

    def save(*args: Any) -> str:
        if next(calls, False):
            return original(*args)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(DurableFileSystemStorage, "_save", save)

    assert end(batch).status == "finalizing"
    assert names(storage) == before


def names(storage: Any) -> set[str]:
    return {str(path) for path in storage.rglob("*") if path.is_file()}


def test_an_input_deleted_while_its_batch_is_live_is_not_lost():
    batch = make_running_batch(*lines(1))
    File.objects.update(deleted_at=database_now())

    purge_files()
    BatchJob.objects.update(status="cancelling")

    attend(batch.pk)
    assert BatchJob.objects.get().status == "cancelled"


@pytest.mark.parametrize("error", [OperationalError, InterfaceError])
def test_a_database_that_was_away_is_tried_again_soon(monkeypatch, error):
    batch = make_running_batch(*lines(1))
    commit(batch, {0: GOOD})
    monkeypatch.setattr("batches.tasks.finalize", failing(error("away")))

    end(batch)

    assert batch.status == "finalizing" and batch.ops_lease_expires_at is not None
    assert batch.ops_lease_expires_at - database_now() < timedelta(seconds=6)


@pytest.mark.parametrize("error", [DataError, ValueError])
def test_what_no_later_try_can_mend_fails_the_batch(monkeypatch, error):
    batch = make_running_batch(*lines(1))
    commit(batch, {0: GOOD})
    monkeypatch.setattr("batches.tasks.finalize", failing(error("a bug")))

    assert "could not go on" in message(end(batch))


def failing(error: Exception) -> Any:
    def fail(*args: object) -> None:
        raise error

    return fail
