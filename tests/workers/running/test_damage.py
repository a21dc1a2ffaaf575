"""A batch whose rows are damaged ends with an error; all others go on."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection

from batches.models import BatchJob, Chunk, FailedRequest
from files.models import File, batch_storage
from tests.factories import line, lines, make_client, make_running_batch
from tests.workers.runs import end
from vllm_batch.lib.clock import database_now
from workers.running import feeding
from workers.slots.slot import Slot

pytestmark = pytest.mark.django_db(transaction=True)
# The first line ends before the others, in a segment of its own.
LINES = (line("first", "ECHO x"), line("late", "SLEEP 0.3 y"), line("no", "HTTP 404"))


def too_few_lines(batch: BatchJob) -> None:
    BatchJob.objects.filter(pk=batch.pk).update(total=1)


def too_few_lines_in_the_chunk(batch: BatchJob) -> None:
    batch.chunks.update(line_count=1)


def a_line_that_failed_already(batch: BatchJob) -> None:
    FailedRequest.objects.create(
        batch=batch, line=3, custom_id="no", status=404, created_at=database_now()
    )


def a_lost_input_file(batch: BatchJob) -> None:
    batch_storage().delete(File.objects.get(pk=batch.input_file_id).path)


def too_many_tokens(batch: BatchJob) -> None:
    if connection.vendor == "sqlite":
        pytest.skip("SQLite's integers grow")
    BatchJob.objects.filter(pk=batch.pk).update(input_tokens=2**63 - 10)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, configure: Any) -> None:
    monkeypatch.setattr(feeding, "LINGER_SECONDS", 0.0)
    monkeypatch.setattr(feeding, "POLL_SECONDS", 0.01)
    configure(WORKER_SEGMENT_SECONDS=0.02, WORKER_SEGMENT_LINES=1)


def serve() -> None:
    slot = Slot("gpu7")
    try:
        slot.serve()
    finally:
        slot.close()


DAMAGES = [
    too_few_lines,
    too_few_lines_in_the_chunk,
    a_line_that_failed_already,
    a_lost_input_file,
    too_many_tokens,
]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_batch_fails_and_the_others_go_on(
    damage: Callable[[BatchJob], None],
):
    damaged, healthy = make_running_batch(*LINES), make_running_batch(*lines(9))
    damage(damaged)

    serve()

    assert end(healthy).status == "completed" and healthy.completed == 9
    assert end(damaged).status == "failed"
    assert not Chunk.objects.exclude(lease_owner="").exists()


def test_a_damaged_batch_is_not_tried_again():
    damaged = make_running_batch(*LINES)
    too_few_lines(damaged)
    serve()
    before = Chunk.objects.get().fence

    serve()

    assert Chunk.objects.get().fence == before


def test_its_client_sees_the_error_and_the_lines_that_were_finished():
    damaged = make_running_batch(*LINES[:2])
    too_few_lines(damaged)

    serve()

    client = make_client(damaged.project)
    body = client.get(f"/v1/batches/{damaged.pk}").json()
    assert body["status"] == "failed"
    assert [fault["code"] for fault in body["errors"]["data"]] == ["server_error"]
    stream = client.get(f"/v1/batches/{damaged.pk}/results")
    found = [json.loads(text) for text in stream.getvalue().splitlines()]
    assert [record["custom_id"] for record in found] == ["first"]
