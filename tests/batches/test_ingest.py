"""Validation of a whole file, by the ops task."""

from typing import Any

import pytest
from django.db import OperationalError

from batches import ingest as ingest_module
from batches.ingest import ingest
from batches.models import BatchJob, Chunk
from batches.tasks import attend, attend_waiting
from files.models import File
from tests.factories import (
    EMBEDDINGS,
    jsonl,
    line,
    lines,
    make_batch,
    make_file,
    make_model,
    make_project,
)
from vllm_batch.lib.clock import database_now

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def model() -> None:
    make_model("stub")
    make_model("stub-2")


def attended(*items: Any, **fields: Any) -> BatchJob:
    batch = make_batch(*items, **fields)
    attend(batch.pk)
    batch.refresh_from_db()
    return batch


def codes(batch: BatchJob) -> list[str]:
    assert batch.status == "failed" and batch.errors is not None
    return [error["code"] for error in batch.errors["data"]]


def test_a_valid_file_starts_the_batch():
    batch = attended(*lines(3))

    assert (batch.status, batch.total, batch.model) == ("in_progress", 3, "stub")
    assert batch.in_progress_at is not None and batch.ops_lease_expires_at is None


def test_one_bad_line_fails_the_batch_and_nothing_runs():
    batch = attended(line("a"), "no json", line("b"))

    assert codes(batch) == ["invalid_json_line"]
    assert batch.failed_at is not None and batch.total == 0
    assert not Chunk.objects.exists()


def test_faults_are_in_line_order_with_the_contracts_four_keys():
    batch = attended("no json", line("a"), line("a"))

    assert batch.errors is not None and batch.errors["object"] == "list"
    data = batch.errors["data"]
    assert [error["line"] for error in data] == [1, 3]
    assert all(set(error) == {"code", "line", "message", "param"} for error in data)


@pytest.mark.parametrize("content", [b"", b"\n", b" \n\t\r\n", b"\xef\xbb\xbf"])
def test_a_file_without_a_request_is_empty(content):
    project = make_project()
    file = make_file(content, project)

    batch = attended(project=project, input_file_id=file.pk)

    assert codes(batch) == ["empty_file"]


@pytest.mark.parametrize("is_there", [True, False])
def test_an_input_that_is_gone_is_named(is_there):
    project = make_project()
    gone = make_file(jsonl(line()), project, deleted_at=database_now())

    file_id = gone.pk if is_there else "file-none"
    batch = attended(project=project, input_file_id=file_id)

    assert codes(batch) == ["invalid_request"] and batch.errors is not None
    error = batch.errors["data"][0]
    assert error["param"] == "file_id" and error["line"] is None
    assert error["message"].startswith(f"Cannot find file {file_id}")


def test_the_list_of_faults_has_a_limit(configure):
    configure(BATCH_MAX_ERRORS=100)

    batch = attended(*["no json"] * 150)

    assert len(codes(batch)) == 100


def test_a_line_with_many_faults_does_not_break_the_limit(configure):
    configure(BATCH_MAX_ERRORS=100)

    batch = attended(*["{}"] * 60)

    assert len(codes(batch)) == 100


def test_as_many_requests_as_allowed_may_run(configure):
    configure(BATCH_MAX_REQUESTS=3)

    assert attended(*lines(3), "").status == "in_progress"


def test_one_request_too_many_fails_the_batch(configure):
    configure(BATCH_MAX_REQUESTS=3)

    batch = attended(*lines(4))

    assert codes(batch) == ["too_many_tasks"] and batch.errors is not None
    assert batch.errors["data"][0]["line"] is None


def test_embedding_inputs_have_a_limit_of_their_own(configure):
    configure(BATCH_MAX_EMBEDDING_INPUTS=5)
    many = [line(f"{n}", url=EMBEDDINGS, input=["a", "b", "c"]) for n in range(2)]

    batch = attended(*many, endpoint=EMBEDDINGS)

    assert codes(batch) == ["too_many_embedding_inputs"]


def test_as_many_embedding_inputs_as_allowed_may_run(configure):
    configure(BATCH_MAX_EMBEDDING_INPUTS=6)
    many = [line(f"{n}", url=EMBEDDINGS, input=["a", "b", "c"]) for n in range(2)]

    assert attended(*many, endpoint=EMBEDDINGS).status == "in_progress"


def test_a_line_too_long_fails_the_batch(configure):
    configure(BATCH_MAX_LINE_BYTES=500)

    batch = attended(line("a"), line("b", "x" * 1000), line("c"))

    assert codes(batch) == ["invalid_request"] and batch.errors is not None
    assert batch.errors["data"][0]["line"] == 2


def test_two_models_fail_the_batch_unless_allowed():
    assert codes(attended(line("a"), line("b", model="stub-2"))) == ["mismatched_model"]


def test_two_models_run_if_allowed(configure):
    configure(BATCH_ALLOW_MIXED_MODELS=True)

    batch = attended(line("a"), line("b", model="stub-2"))

    assert batch.status == "in_progress" and batch.is_mixed and batch.model is None


def test_a_disabled_model_is_not_found():
    make_model("off", is_enabled=False)

    assert codes(attended(line(model="off"))) == ["model_not_found"]


def test_validating_twice_changes_nothing():
    batch = attended(*lines(5))
    before = list(Chunk.objects.order_by("pk").values())
    stale = BatchJob.objects.get(pk=batch.pk)
    stale.status = "validating"

    ingest(stale, lambda: None)

    assert list(Chunk.objects.order_by("pk").values()) == before


def test_a_task_that_is_delivered_twice_does_nothing():
    batch = attended(*lines(2))
    row = BatchJob.objects.values().get()

    attend(batch.pk)

    assert BatchJob.objects.values().get() == row


def test_a_task_for_a_batch_that_is_not_there_does_nothing():
    attend("batch_none")


def test_a_batch_another_task_holds_is_left_alone():
    batch = make_batch(
        *lines(1), ops_lease_expires_at=database_now().replace(year=2999)
    )

    attend(batch.pk)

    batch.refresh_from_db()
    assert batch.status == "validating"


def test_every_waiting_batch_is_attended():
    batches = [make_batch(*lines(1)) for _ in range(3)]

    attend_waiting()

    statuses = BatchJob.objects.filter(pk__in=[b.pk for b in batches])
    assert set(statuses.values_list("status", flat=True)) == {"in_progress"}


def test_a_bug_fails_the_batch_instead_of_leaving_it_stuck(monkeypatch):
    monkeypatch.setattr(ingest_module, "make_validator", lambda endpoint: None)

    batch = attended(*lines(1))

    assert codes(batch) == ["server_error"]


@pytest.mark.parametrize("error", [OSError("disk"), OperationalError("database")])
def test_a_disk_or_database_that_is_away_is_no_fault_of_the_batch(monkeypatch, error):
    def fail(batch: BatchJob) -> Any:
        raise error

    monkeypatch.setattr(ingest_module, "open_input", fail)

    batch = attended(*lines(1))

    assert batch.status == "validating" and batch.ops_lease_expires_at is not None


def test_a_long_validation_keeps_its_lease(monkeypatch):
    monkeypatch.setattr(ingest_module, "LINES_BETWEEN_RENEWALS", 2)
    renewals: list[int] = []

    ingest(make_batch(*lines(7)), lambda: renewals.append(1))

    assert len(renewals) == 3


def test_an_input_deleted_while_the_batch_runs_does_not_matter():
    batch = attended(*lines(2))

    File.objects.update(deleted_at=database_now())
    attend(batch.pk)

    batch.refresh_from_db()
    assert batch.status == "in_progress"
