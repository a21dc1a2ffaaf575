"""One project cannot tell another project's objects from those that never were."""

import json
from typing import Any

import pytest
from django.test import Client

from batches.models import BatchJob
from batches.tasks import attend
from files.models import File
from tests.batches.handlers.cast import make_endpoint
from tests.factories import CHAT, make_batch, make_client, make_file, make_project

pytestmark = pytest.mark.django_db

FILE_ROUTES = ["/v1/files/{id}", "/v1/files/{id}/content"]
BATCH_ROUTES = [
    "/v1/batches/{id}",
    "/v1/batches/{id}/cancel",
    "/v1/batches/{id}/retry",
    "/v1/batches/{id}/results",
]
ENDPOINT_ROUTES = [
    "/v1/webhook_endpoints/{id}",
    "/v1/webhook_endpoints/{id}/rotate_secret",
    "/v1/webhook_endpoints/{id}/test",
]
METHODS = ["get", "head", "post", "put", "patch", "delete"]
CURSORS = [("/v1/files?after={id}", "file-"), ("/v1/batches?after={id}", "batch_")]


def ask(client: Client, method: str, path: str, object_id: str) -> tuple[int, str]:
    """Return status and text of an answer, with the id taken out of it."""
    response: Any = getattr(client, method)(path.format(id=object_id))
    text = b"".join(response) if response.streaming else response.content
    return response.status_code, text.decode().replace(object_id, "ID")


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("path", FILE_ROUTES)
def test_a_strangers_file_looks_like_none(path, method):
    file = make_file(b"secret")
    client = make_client()

    foreign = ask(client, method, path, file.pk)

    assert foreign == ask(client, method, path, "file-" + "0" * 32)
    assert foreign[0] in (404, 405)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("path", BATCH_ROUTES)
def test_a_strangers_batch_looks_like_none(path, method):
    batch = make_batch()
    client = make_client()

    foreign = ask(client, method, path, batch.pk)

    assert foreign == ask(client, method, path, "batch_" + "0" * 32)
    assert foreign[0] in (404, 405)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("path", ENDPOINT_ROUTES)
def test_a_strangers_webhook_endpoint_looks_like_none(path, method):
    endpoint = make_endpoint()
    client = make_client()

    foreign = ask(client, method, path, endpoint.pk)

    assert foreign == ask(client, method, path, "whe_" + "0" * 32)
    assert foreign[0] in (404, 405)


def test_a_strangers_webhook_endpoint_is_an_unknown_cursor():
    client, path = make_client(), "/v1/webhook_endpoints?after={id}"

    foreign = ask(client, "get", path, make_endpoint().pk)

    assert foreign == ask(client, "get", path, "whe_" + "0" * 32)
    assert foreign[0] == 404


def test_the_list_of_webhook_endpoints_holds_the_callers_own_only():
    make_endpoint()
    own = make_endpoint()

    data = make_client(own.project).get("/v1/webhook_endpoints").json()["data"]

    assert [item["id"] for item in data] == [own.pk]


@pytest.mark.parametrize(("path", "prefix"), CURSORS)
def test_a_strangers_id_is_an_unknown_cursor(path, prefix):
    batch = make_batch()
    object_id = batch.pk if prefix == "batch_" else batch.input_file_id
    client = make_client()

    foreign = ask(client, "get", path, object_id)

    assert foreign == ask(client, "get", path, prefix + "0" * 32)
    assert foreign[0] == 404


@pytest.mark.parametrize("path", ["/v1/files", "/v1/batches"])
def test_lists_hold_the_callers_own_objects_only(path):
    make_batch()
    project = make_project()
    batch = make_batch(project=project)

    data = make_client(project).get(path).json()["data"]

    assert [item["id"] for item in data] in ([batch.pk], [batch.input_file_id])


def test_a_strangers_file_cannot_be_deleted():
    file = make_file(b"secret")

    make_client().delete(f"/v1/files/{file.pk}")

    assert File.objects.get().deleted_at is None


def test_a_strangers_batch_cannot_be_cancelled():
    batch = make_batch()

    make_client().post(f"/v1/batches/{batch.pk}/cancel")

    assert BatchJob.objects.get().status == "validating"


def create(client: Client, file_id: str) -> dict[str, Any]:
    order = {
        "input_file_id": file_id,
        "endpoint": CHAT,
        "completion_window": "24h",
    }
    response = client.post("/v1/batches", order, content_type="application/json")
    body: dict[str, Any] = response.json()
    return body


@pytest.mark.parametrize("purpose", ["batch", "user_data", "batch_output"])
def test_creating_from_a_strangers_file_looks_like_creating_from_none(purpose):
    file = make_file(b"{}\n", purpose=purpose)
    client = make_client()
    answers = []

    for file_id in (file.pk, "file-" + "0" * 32):
        batch_id = create(client, file_id)["id"]
        attend(batch_id)
        batch = client.get(f"/v1/batches/{batch_id}").json()
        answers.append(json.dumps(batch["errors"]).replace(file_id, "ID"))

    assert answers[0] == answers[1] and "Cannot find file ID" in answers[0]


def test_two_projects_may_use_the_same_idempotency_key():
    first, second = make_client(), make_client()
    headers = {"Idempotency-Key": "once"}
    order = {"input_file_id": "file-1", "endpoint": CHAT, "completion_window": "24h"}

    responses = [
        client.post(
            "/v1/batches", order, content_type="application/json", headers=headers
        )
        for client in (first, second)
    ]

    assert [response.status_code for response in responses] == [200, 200]
    assert BatchJob.objects.count() == 2
