"""The key `vllm_batch` of the batch object, and what it is made from."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from batches.models import BatchJob
from batches.outlook import outlook_of, outlooks
from tests.factories import make_batch, make_chunk, make_client, make_model
from vllm_batch.lib.clock import database_now
from workers.models import Heartbeat

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


def make_beat(**fields: Any) -> Heartbeat:
    now = database_now()
    defaults: dict[str, Any] = {
        "slot": "gpu0",
        "host": "here",
        "pid": 1,
        "owner": "w",
        "state": "running",
        "model": "stub",
        "beat_at": now,
        "progress_at": now,
    }
    return Heartbeat.objects.create(**{**defaults, **fields})


def make_waiting(**fields: Any) -> BatchJob:
    return make_batch(**{"status": "in_progress", "model": "stub", **fields})


def code(batch: BatchJob) -> str | None:
    waiting = outlook_of(batch).waiting
    return waiting.code if waiting else None


@pytest.fixture(autouse=True)
def model() -> None:
    make_model()


def test_a_batch_says_what_openai_has_no_word_for():
    parent = make_batch(status="completed")
    batch = make_batch(
        project=parent.project, parent=parent, cut_off=1, invalid_output=2, folded=3
    )

    body = make_client(batch.project).get(f"/v1/batches/{batch.pk}").json()

    extension = body["vllm_batch"]
    assert extension.pop("waiting")["code"] == "no_worker"
    assert extension == {
        "eta_seconds": None,
        "cut_off": 1,
        "invalid_output": 2,
        "folded": 3,
        "parent_id": parent.pk,
        "dry_run": False,
        "enqueued_tokens": 0,
        "preflight": None,
        "paused_at": None,
        "canary": None,
    }


def test_a_batch_that_has_ended_asks_nobody(django_assert_num_queries):
    batch = make_batch(status="completed")

    with django_assert_num_queries(0):
        assert outlook_of(batch).waiting is None


def test_a_worker_that_is_silent_is_not_alive():
    make_beat(beat_at=database_now() - HOUR)

    assert code(make_waiting()) == "no_worker"


def test_a_model_that_is_not_enabled_is_why():
    make_beat()

    assert code(make_waiting(model="other")) == "model_disabled"


def test_run_hours_that_have_not_begun_are_why():
    make_beat(state="idle", model="")
    hour = (database_now().hour + 3) % 24
    make_model("night", run_hours=f"{hour:02}:00-{(hour + 1) % 24:02}:00")

    waiting = outlook_of(make_waiting(model="night")).waiting

    assert waiting is not None and waiting.code == "outside_hours"
    assert f"that begins {database_now():%Y}" in waiting.message


def test_a_held_chunk_means_progress():
    make_beat()
    batch = make_waiting(
        first_result_at=database_now() - HOUR / 2, total=10, completed=5
    )
    make_chunk(batch, lease_owner="w", lease_expires_at=database_now() + HOUR)

    outlook = outlook_of(batch)

    assert outlook.waiting is None
    assert outlook.eta_seconds == pytest.approx(1800, abs=10)


def test_those_ahead_are_of_the_same_model_and_sooner():
    make_beat()
    make_model("other")
    now = database_now()
    last = make_waiting(expires_at=now + 9 * HOUR)
    make_waiting(expires_at=now + HOUR)
    make_waiting(expires_at=now + 20 * HOUR, priority=1)
    make_waiting(expires_at=now + 20 * HOUR)
    make_waiting(expires_at=now + HOUR, model="other")
    make_waiting(expires_at=now + HOUR, paused_reason="by hand")

    waiting = outlook_of(last).waiting

    assert waiting is not None
    assert waiting.message == "Waiting behind 2 batches."


def test_a_page_of_batches_costs_as_much_as_one():
    make_beat()
    one = [make_waiting()]
    many = [make_waiting() for _ in range(20)]

    counts = []
    for batches in (one, many):
        with CaptureQueriesContext(connection) as queries:
            outlooks(batches)
        counts.append(len(queries))

    assert counts[0] == counts[1] <= 6


def test_a_list_costs_the_same_however_long_it_is(django_assert_max_num_queries):
    make_beat()
    project = make_batch().project
    for _ in range(30):
        make_waiting(project=project)
    client = make_client(project)

    with django_assert_max_num_queries(9):
        data = client.get("/v1/batches?limit=100").json()["data"]

    assert len(data) == 31
    assert all(item["vllm_batch"]["waiting"] for item in data)
