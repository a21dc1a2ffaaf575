"""POST /v1/batches/{id}/pause and /resume, the admin's actions, and canaries' plans."""

from typing import Any

import pytest
from django_q.models import OrmQ

from batches.models import BatchJob
from batches.tasks import attend
from tests.factories import (
    jsonl,
    line,
    lines,
    make_batch,
    make_client,
    make_file,
    make_model,
    make_project,
    make_running_batch,
)

pytestmark = pytest.mark.django_db
BATCHES = "/admin/vllm_batches/batchjob/"


def post(batch: BatchJob, verb: str, body: Any = None) -> Any:
    client = make_client(batch.project)
    url = f"/v1/batches/{batch.pk}/{verb}"
    return client.post(url, body, content_type="application/json")


def error(response: Any, status: int) -> dict[str, Any]:
    assert response.status_code == status, response.content
    found: dict[str, Any] = response.json()["error"]
    return found


def extension(response: Any) -> dict[str, Any]:
    assert response.status_code == 200, response.content
    found: dict[str, Any] = response.json()["vllm_batch"]
    return found


def test_a_paused_batch_says_that_it_is_and_why():
    batch = make_running_batch()

    found = extension(post(batch, "pause", {"reason": "wrong prompt?"}))

    assert found["waiting"] == {
        "code": "paused",
        "message": "The batch is paused: wrong prompt?",
    }
    assert found["paused_at"] and post(batch, "pause").json()["status"] == "in_progress"


@pytest.mark.parametrize("body", [None, {}, {"reason": None}, {"reason": "  "}])
def test_a_reason_may_be_left_out(body):
    found = extension(post(make_running_batch(), "pause", body))

    assert found["waiting"]["message"] == "The batch is paused: on request"


def test_pausing_again_changes_nothing():
    batch = make_running_batch()
    first = extension(post(batch, "pause", {"reason": "first"}))

    second = extension(post(batch, "pause", {"reason": "second"}))

    assert second == first


@pytest.mark.parametrize(
    ("body", "param", "code"),
    [
        ({"reason": 7}, "reason", "invalid_type"),
        ({"reason": "a\0b"}, "reason", "invalid_value"),
        ({"reason": "x" * 256}, "reason", "string_above_max_length"),
        ({"reasons": "x"}, "reasons", "unknown_parameter"),
        ([], None, None),
    ],
)
def test_a_body_that_makes_no_sense_is_refused(body, param, code):
    batch = make_running_batch()

    found = error(post(batch, "pause", body), 400)

    assert (found["param"], found["code"]) == (param, code)
    batch.refresh_from_db()
    assert batch.paused_reason == ""


def test_resuming_lets_it_go_on_and_rings_the_workers():
    batch = make_running_batch()
    post(batch, "pause")
    OrmQ.objects.all().delete()

    found = extension(post(batch, "resume"))

    assert found["paused_at"] is None and found["waiting"]["code"] != "paused"
    assert [task.func() for task in OrmQ.objects.all()] == ["workers.tasks.serve"]


def test_resuming_what_is_not_paused_changes_nothing():
    batch = make_running_batch()
    OrmQ.objects.all().delete()

    assert extension(post(batch, "resume"))["paused_at"] is None
    assert not OrmQ.objects.exists()


@pytest.mark.parametrize("verb", ["pause", "resume"])
@pytest.mark.parametrize("status", ["finalizing", "cancelling", "completed", "failed"])
def test_a_batch_with_nothing_left_to_run_is_a_conflict(verb, status):
    batch = make_batch(status=status)

    found = error(post(batch, verb), 409)

    assert found["message"] == f"Cannot {verb} a batch with status '{status}'."


@pytest.mark.parametrize("verb", ["pause", "resume"])
def test_another_projects_batch_is_not_there(verb):
    url = f"/v1/batches/{make_running_batch().pk}/{verb}"

    assert make_client().post(url).status_code == 404


@pytest.mark.parametrize("verb", ["pause", "resume"])
def test_it_needs_the_scope_to_write_batches(verb):
    batch = make_running_batch()
    client = make_client(batch.project, scopes=["batches:read"])

    response = client.post(f"/v1/batches/{batch.pk}/{verb}")

    assert error(response, 403)["code"] == "insufficient_scope"


def test_a_batch_paused_during_validation_is_validated_and_not_started():
    make_model()
    batch = make_batch()
    post(batch, "pause")

    attend(batch.pk)

    batch.refresh_from_db()
    assert batch.status == "in_progress" and batch.paused_reason == "on request"


def test_a_paused_batch_can_be_cancelled():
    batch = make_running_batch()
    post(batch, "pause")

    assert post(batch, "cancel").json()["status"] == "cancelling"
    attend(batch.pk)
    batch.refresh_from_db()
    assert batch.status == "cancelled"


def test_the_admin_pauses_and_resumes(admin_client):
    batch = make_running_batch()
    form = {"_selected_action": [batch.pk]}

    page = admin_client.post(BATCHES, {**form, "action": "pause"}, follow=True)
    batch.refresh_from_db()

    assert batch.paused_reason == "by admin"
    assert "The batch is paused: by admin" in page.content.decode()
    admin_client.post(BATCHES, {**form, "action": "resume"})
    batch.refresh_from_db()
    assert batch.paused_reason == ""


def test_the_admin_says_what_cannot_be_paused(admin_client):
    batch = make_batch(status="completed")
    form = {"_selected_action": [batch.pk], "action": "pause"}

    page = admin_client.post(BATCHES, form, follow=True).content.decode()

    assert "Cannot pause a batch with status" in page


# ---- first lines -------------------------------------------------------------------


def planned(*items: Any, canary: dict[str, Any]) -> BatchJob:
    """Order a batch over HTTP, and let it be validated."""
    make_model()
    project = make_project()
    client = make_client(project)
    order = {
        "input_file_id": make_file(jsonl(*items), project).pk,
        "endpoint": "/v1/chat/completions",
        "completion_window": "24h",
        "vllm_batch": {"canary": canary},
    }
    response = client.post("/v1/batches", order, content_type="application/json")
    assert response.status_code == 200, response.content
    batch = BatchJob.objects.get(pk=response.json()["id"])
    assert extension(response)["canary"]["state"] == "waiting"
    attend(batch.pk)
    batch.refresh_from_db()
    return batch


def sizes(batch: BatchJob) -> list[int]:
    return list(batch.chunks.values_list("line_count", flat=True))


def test_the_first_lines_are_a_chunk_of_their_own():
    batch = planned(*lines(5), canary={"lines": 2})

    assert sizes(batch) == [2, 3]
    assert batch.canary is not None and batch.canary["chunks"] == 1


def test_many_first_lines_are_several_chunks(configure):
    configure(BATCH_CHUNK_LINES=2)

    batch = planned(*lines(7), canary={"lines": 3})

    assert sizes(batch) == [2, 1, 2, 2]
    assert batch.canary is not None and batch.canary["chunks"] == 2


def test_the_first_lines_of_several_models_are_a_chunk_for_each(configure):
    configure(BATCH_ALLOW_MIXED_MODELS=True)
    make_model("other")
    items = [line(f"x{n}", model=["stub", "other"][n % 2]) for n in range(6)]

    batch = planned(*items, canary={"lines": 2})

    assert sizes(batch) == [1, 1, 2, 2]
    assert batch.canary is not None and batch.canary["chunks"] == 2


def test_a_batch_may_be_shorter_than_its_first_lines():
    batch = planned(*lines(3), canary={"lines": 20})

    assert sizes(batch) == [3]
    assert batch.canary is not None and batch.canary["lines"] == 3


def test_the_admin_shows_the_first_lines(admin_client):
    planned(*lines(5), canary={"lines": 2})

    page = admin_client.get(BATCHES).content.decode()

    assert "waiting: 0 of 2 failed, 0 cut off" in page
