"""A project may have so many tokens in batches that have not ended, and no more."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection

from accounts.models import Project
from batches.models import BatchJob
from batches.tasks import attend
from tests.batches.ending import GOOD, run
from tests.factories import (
    lines,
    make_batch,
    make_client,
    make_model,
    make_project,
)

MANY = 100_000
MESSAGE = (
    "Enqueued token limit reached for stub in organization {}. Limit: 150,000 enqueued"
    " tokens. Please try again once some in_progress batches have been completed."
)


@pytest.fixture(autouse=True)
def model(db: Any) -> None:
    make_model("stub")


def make_project_with(limit: int | None) -> Project:
    project = make_project()
    project.enqueued_token_limit = limit
    project.save()
    return project


def attended(project: Project, **body: Any) -> BatchJob:
    batch = make_batch(*lines(1, **{"max_tokens": MANY, **body}), project=project)
    attend(batch.pk)
    batch.refresh_from_db()
    return batch


def test_a_batch_beyond_the_limit_fails_with_openais_words():
    project = make_project_with(150_000)
    first, second = attended(project), attended(project)

    found = make_client(project).get(f"/v1/batches/{second.pk}").json()

    assert (first.status, found["status"]) == ("in_progress", "failed")
    (error,) = found["errors"]["data"]
    text = MESSAGE.format(project.name)
    expected = {"code": "token_limit_exceeded", "message": text}
    assert error == {**expected, "line": None, "param": None}
    assert not second.chunks.exists()


def test_the_batch_object_says_what_it_counts():
    batch = attended(make_project(), max_tokens=1000)

    found = make_client(batch.project).get(f"/v1/batches/{batch.pk}").json()

    assert 1000 < found["vllm_batch"]["enqueued_tokens"] < 1100


def test_an_ended_batch_counts_no_more():
    project = make_project_with(150_000)
    run(attended(project), GOOD)

    assert attended(project).status == "in_progress"


def test_other_projects_have_limits_of_their_own(configure):
    configure(PROJECT_ENQUEUED_TOKENS=150_000)
    one, other = make_project(), make_project_with(10)

    assert attended(one).status == "in_progress"
    assert attended(other).status == "failed"


@pytest.mark.parametrize("limit", [None, 0])
def test_there_is_no_limit_unless_one_is_set(limit):
    project = make_project_with(limit)

    assert [attended(project).status for _ in range(3)] == ["in_progress"] * 3


def test_a_projects_zero_lifts_the_servers_limit(configure):
    configure(PROJECT_ENQUEUED_TOKENS=10)

    assert attended(make_project_with(0)).status == "in_progress"


def test_dry_runs_count_nothing(configure):
    configure(PROJECT_ENQUEUED_TOKENS=10)
    batch = make_batch(*lines(1, max_tokens=MANY), is_dry_run=True)

    attend(batch.pk)

    batch.refresh_from_db()
    assert (batch.status, batch.enqueued_tokens) == ("completed", 0)


@pytest.mark.django_db(transaction=True)
def test_of_two_batches_at_once_one_gets_the_room():
    project = make_project_with(150_000)
    batches = [make_batch(*lines(1, max_tokens=MANY), project=project) for _ in "ab"]

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(attend_apart, [batch.pk for batch in batches]))

    found = sorted(BatchJob.objects.values_list("status", flat=True))
    assert found == ["failed", "in_progress"]


def attend_apart(batch_id: str) -> None:
    try:
        attend(batch_id)
    finally:
        connection.close()


def order(client: Any, **headers: str) -> Any:
    body = {
        "input_file_id": "file-1",
        "endpoint": "/v1/chat/completions",
        "completion_window": "24h",
    }
    return client.post("/v1/batches", body, "application/json", headers=headers)


def test_a_project_may_have_so_many_live_batches(configure):
    configure(PROJECT_LIVE_BATCHES=1)
    project = make_project()
    client = make_client(project)
    first = order(client).json()["id"]

    response = order(client)

    assert response.status_code == 429 and response["x-should-retry"] == "false"
    error = response.json()["error"]
    assert error["code"] == "insufficient_quota" and "may have 1" in error["message"]
    BatchJob.objects.filter(pk=first).update(status="completed")
    assert order(client).status_code == 200


def test_a_project_has_its_own_limit_of_live_batches(configure):
    configure(PROJECT_LIVE_BATCHES=1)
    project = make_project()
    project.live_batches_limit = 2
    project.save()
    client = make_client(project)

    assert [order(client).status_code for _ in range(3)] == [200, 200, 429]
    assert order(make_client()).status_code == 200


def test_a_repeated_order_is_no_new_batch(configure):
    configure(PROJECT_LIVE_BATCHES=1)
    client = make_client()
    first, second = (order(client, **{"Idempotency-Key": "once"}) for _ in range(2))

    assert first.json() == second.json() and second.status_code == 200
