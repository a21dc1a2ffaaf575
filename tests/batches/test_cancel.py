"""POST /v1/batches/{id}/cancel, and the same in the admin."""

import pytest

from batches.models import BatchJob
from batches.tasks import attend
from tests.factories import lines, make_batch, make_client, make_project
from tests.factories import make_running_batch as running

pytestmark = pytest.mark.django_db
BATCHES = "/admin/vllm_batches/batchjob/"


@pytest.mark.parametrize(
    ("status", "after"),
    [
        ("validating", "cancelled"),
        ("in_progress", "cancelling"),
        ("finalizing", "cancelling"),
        ("cancelling", "cancelling"),
        ("cancelled", "cancelled"),
    ],
)
def test_a_batch_that_can_be_cancelled_is(status, after):
    project = make_project()
    batch = make_batch(project=project, status=status)

    response = make_client(project).post(f"/v1/batches/{batch.pk}/cancel")

    assert response.status_code == 200 and response.json()["status"] == after


@pytest.mark.parametrize("status", ["completed", "failed", "expired"])
def test_a_batch_that_has_ended_is_a_conflict_without_a_retry(status):
    project = make_project()
    batch = make_batch(project=project, status=status)

    response = make_client(project).post(f"/v1/batches/{batch.pk}/cancel")

    error = response.json()["error"]
    assert response.status_code == 409 and response["x-should-retry"] == "false"
    assert error["message"] == f"Cannot cancel a batch with status '{status}'."
    assert (error["type"], error["code"]) == ("invalid_request_error", None)


def test_an_empty_json_body_is_fine():
    project = make_project()
    batch = make_batch(project=project)

    response = make_client(project).post(
        f"/v1/batches/{batch.pk}/cancel", b"", content_type="application/json"
    )

    assert response.status_code == 200


def test_a_batch_cancelled_before_it_ran_has_no_files():
    project = make_project()
    batch = make_batch(project=project)

    found = make_client(project).post(f"/v1/batches/{batch.pk}/cancel").json()

    assert found["cancelling_at"] and found["cancelled_at"]
    assert found["output_file_id"] is None and found["error_file_id"] is None


def test_a_cancelled_batch_is_not_validated_any_more():
    project = make_project()
    batch = make_batch("no json", project=project)
    make_client(project).post(f"/v1/batches/{batch.pk}/cancel")

    attend(batch.pk)

    batch.refresh_from_db()
    assert batch.status == "cancelled" and batch.errors is None


def test_lines_that_never_ran_are_in_the_error_file():
    project = make_project()
    batch = running(*lines(3), project=project)
    client = make_client(project)
    client.post(f"/v1/batches/{batch.pk}/cancel")

    attend(batch.pk)

    found = client.get(f"/v1/batches/{batch.pk}").json()
    content = client.get(f"/v1/files/{found['error_file_id']}/content")
    assert found["status"] == "cancelled" and found["output_file_id"] is None
    assert b"".join(content).count(b'"batch_cancelled"') == 3
    assert found["request_counts"] == {"total": 3, "completed": 0, "failed": 0}


def test_the_admin_cancels_what_can_be_cancelled(admin_client):
    live, ended = running(), make_batch(status="completed")

    response = admin_client.post(
        BATCHES,
        {"action": "cancel", "_selected_action": [live.pk, ended.pk]},
        follow=True,
    )

    statuses = dict(BatchJob.objects.values_list("pk", "status"))
    assert statuses == {live.pk: "cancelling", ended.pk: "completed"}
    assert "Cannot cancel a batch with status" in response.content.decode()


def test_the_admin_shows_how_far_a_batch_is(admin_client):
    make_batch(status="in_progress", total=5, completed=2, failed=1)

    page = admin_client.get(BATCHES).content.decode()

    assert "3 of 5, 1 failed" in page


def test_nobody_edits_a_batch_in_the_admin(admin_client):
    batch = make_batch()

    response = admin_client.post(f"{BATCHES}{batch.pk}/change/", {"status": "failed"})

    assert response.status_code == 403
