"""Webhook endpoints over the API."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from batches.models import WebhookEndpoint
from tests.batches.handlers.cast import EVENTS, make_endpoint
from tests.factories import make_client, make_project
from tests.rig.receiver import receiving
from vllm_batch.lib.clock import database_now

pytestmark = pytest.mark.django_db
URL = "https://hooks.example.com/vllm"
PATH = "/v1/webhook_endpoints"
KEYS = {
    "id", "object", "created_at", "updated_at", "event_types", "name", "url",
    "signing_secret_hint",
}  # fmt: skip


def post(client: Client, path: str, body: Any = None) -> Any:
    return client.post(path, body or {}, content_type="application/json")


def order(**changes: Any) -> dict[str, Any]:
    fields = {"name": "ours", "url": URL, "event_types": ["batch.completed"]}
    return {k: v for k, v in {**fields, **changes}.items() if v is not ...}


def test_creating_one_shows_its_secret():
    made = post(make_client(), PATH, order()).json()

    assert set(made) == KEYS | {"signing_secret"}
    assert made["object"] == "webhook_endpoint" and made["id"].startswith("whe_")
    assert made["signing_secret"].startswith("whsec_")
    assert made["signing_secret_hint"][-4:] == made["signing_secret"][-4:]


def test_nothing_else_shows_the_secret():
    client = make_client()
    made = post(client, PATH, order()).json()
    path = f"{PATH}/{made['id']}"

    answers = [client.get(path), client.get(PATH), post(client, path, {"name": "b"})]

    assert all(answer.status_code == 200 for answer in answers)
    assert not any(made["signing_secret"] in a.content.decode() for a in answers)
    assert set(client.get(path).json()) == KEYS


def test_event_types_are_kept_once_each():
    made = post(make_client(), PATH, order(event_types=EVENTS[::-1] * 2)).json()

    assert made["event_types"] == EVENTS


@pytest.mark.parametrize(
    ("change", "param", "code"),
    [
        ({"name": ...}, "name", "missing_required_parameter"),
        ({"url": ...}, "url", "missing_required_parameter"),
        ({"event_types": ...}, "event_types", "missing_required_parameter"),
        ({"name": ""}, "name", "invalid_value"),
        ({"name": 5}, "name", "invalid_type"),
        ({"name": "x" * 101}, "name", "string_above_max_length"),
        ({"name": "a\0"}, "name", "invalid_value"),
        ({"url": None}, "url", "invalid_type"),
        ({"url": "https://127.0.0.1/"}, "url", "invalid_value"),
        ({"url": "http://example.com/"}, "url", "invalid_value"),
        ({"event_types": []}, "event_types", "invalid_value"),
        ({"event_types": "batch.failed"}, "event_types", "invalid_type"),
        ({"event_types": [1]}, "event_types[0]", "invalid_type"),
        ({"event_types": ["response.completed"]}, "event_types[0]", "invalid_value"),
        ({"secret": "mine"}, "secret", "unknown_parameter"),
        ({"project": 1}, "project", "unknown_parameter"),
    ],
)
def test_a_bad_body_is_refused(change, param, code):
    response = post(make_client(), PATH, order(**change))

    error = response.json()["error"]
    assert (response.status_code, error["param"], error["code"]) == (400, param, code)
    assert not WebhookEndpoint.objects.exists()


def test_there_is_a_most(monkeypatch):
    from batches.handlers.webhook import actions

    monkeypatch.setattr(actions, "MOST_ENDPOINTS", 1)
    client = make_client()
    post(client, PATH, order())

    assert post(client, PATH, order()).status_code == 409


def test_they_are_listed_newest_first_and_paged():
    project = make_project()
    made = [make_endpoint(project) for _ in range(3)]
    client = make_client(project)

    first = client.get(f"{PATH}?limit=2").json()
    second = client.get(f"{PATH}?limit=2&after={first['last_id']}").json()

    ids = [item["id"] for item in first["data"] + second["data"]]
    assert ids == [endpoint.pk for endpoint in made[::-1]]
    assert (first["has_more"], second["has_more"]) == (True, False)


def test_one_may_delete_what_one_pages_over():
    project = make_project()
    for _ in range(3):
        make_endpoint(project)
    client = make_client(project)
    last = client.get(f"{PATH}?limit=1").json()["last_id"]
    client.delete(f"{PATH}/{last}")

    rest = client.get(f"{PATH}?after={last}").json()

    assert len(rest["data"]) == 2


def test_an_update_changes_what_it_names():
    endpoint = make_endpoint()
    client = make_client(endpoint.project)

    changed = post(client, f"{PATH}/{endpoint.pk}", {"name": "new"}).json()

    assert (changed["name"], changed["url"]) == ("new", endpoint.url)
    assert changed["event_types"] == EVENTS


def test_an_update_without_a_change_is_no_update():
    endpoint = make_endpoint(updated_at=database_now() - timedelta(days=1))
    client = make_client(endpoint.project)

    post(client, f"{PATH}/{endpoint.pk}", {"name": endpoint.name})

    assert WebhookEndpoint.objects.get().updated_at == endpoint.updated_at


def test_a_new_url_enables_a_disabled_endpoint():
    endpoint = make_endpoint(is_enabled=False, failures_in_row=9, disabled_reason="x")
    client = make_client(endpoint.project)

    post(client, f"{PATH}/{endpoint.pk}", {"url": URL + "/2"})

    endpoint.refresh_from_db()
    assert (endpoint.is_enabled, endpoint.failures_in_row) == (True, 0)


def test_deleting_one():
    endpoint = make_endpoint()
    client = make_client(endpoint.project)
    path = f"{PATH}/{endpoint.pk}"

    assert client.delete(path).json() == {
        "id": endpoint.pk,
        "object": "webhook_endpoint.deleted",
        "deleted": True,
    }

    assert client.get(path).status_code == client.delete(path).status_code == 404
    assert client.get(PATH).json()["data"] == []


@pytest.mark.parametrize("keep", [True, False])
def test_rotating_gives_a_new_secret(keep):
    endpoint = make_endpoint()
    body = {"keep_old_secret_active_for_24_hours": keep}
    client = make_client(endpoint.project)

    made = post(client, f"{PATH}/{endpoint.pk}/rotate_secret", body).json()

    old, now = endpoint.secret, database_now()
    endpoint.refresh_from_db()
    assert made["signing_secret"] == endpoint.secret != old
    assert endpoint.secrets(now) == [endpoint.secret, *([old] if keep else [])]
    assert endpoint.secrets(now + timedelta(hours=25)) == [endpoint.secret]


def test_rotating_needs_no_body():
    endpoint = make_endpoint()
    client = make_client(endpoint.project)

    path = f"{PATH}/{endpoint.pk}/rotate_secret"
    response = client.post(path, b"", content_type="application/json")

    assert response.status_code == 200


@pytest.mark.parametrize(
    "body", [[1], "x", {"a": 1}, {"keep_old_secret_active_for_24_hours": 1}]
)
def test_a_bad_rotation_is_refused(body):
    endpoint = make_endpoint()
    path = f"{PATH}/{endpoint.pk}/rotate_secret"

    assert post(make_client(endpoint.project), path, body).status_code == 400


def test_a_test_sends_a_signed_sample(loopback):
    with receiving(202) as receiver:
        endpoint = make_endpoint(url=receiver.url)
        path = f"{PATH}/{endpoint.pk}/test"
        body = {"event_type": "batch.failed"}
        result = post(make_client(endpoint.project), path, body).json()

    assert result == {
        "object": "webhook_endpoint.test",
        "event_type": "batch.failed",
        "status_code": 202,
        "success": True,
        "webhook_endpoint_id": endpoint.pk,
    }
    assert b'"type":"batch.failed"' in receiver.posts[0].body


def test_a_test_of_a_failing_receiver_tells_its_status(loopback):
    with receiving(500) as receiver:
        endpoint = make_endpoint(url=receiver.url)
        path = f"{PATH}/{endpoint.pk}/test"
        client = make_client(endpoint.project)
        response = post(client, path, {"event_type": "batch.failed"})

    assert response.json()["status_code"] == 500
    assert WebhookEndpoint.objects.get().failures_in_row == 0


def test_a_test_without_an_answer_is_an_error(loopback):
    with receiving() as receiver:
        url = receiver.url
    endpoint = make_endpoint(url=url)
    client = make_client(endpoint.project)

    response = post(client, f"{PATH}/{endpoint.pk}/test", {"event_type": EVENTS[0]})

    assert response.status_code == 409
    assert response.json()["error"]["code"] == "endpoint_unreachable"


@pytest.mark.parametrize("body", [{}, {"event_type": "x"}, {"event_type": 1}])
def test_a_bad_test_is_refused(body):
    endpoint = make_endpoint()
    path = f"{PATH}/{endpoint.pk}/test"

    assert post(make_client(endpoint.project), path, body).status_code == 400


def test_the_event_types_are_listed():
    listed = make_client().get("/v1/webhook_event_types").json()

    assert listed == {"object": "list", "data": [*EVENTS, "batch.progress"]}


@pytest.mark.parametrize("scope", ["webhooks:read", "webhooks:write"])
def test_each_operation_needs_its_scope(scope):
    endpoint = make_endpoint()
    client = make_client(endpoint.project, scopes=[scope])
    path = f"{PATH}/{endpoint.pk}"
    reads = [client.get(PATH), client.get(path), client.get("/v1/webhook_event_types")]
    writes = [
        post(client, PATH, order()),
        post(client, path),
        post(client, f"{path}/rotate_secret"),
        post(client, f"{path}/test"),
        client.delete(path),
    ]

    refused = writes if scope == "webhooks:read" else reads
    others = reads if scope == "webhooks:read" else writes
    assert all(response.status_code == 403 for response in refused)
    assert all(response.status_code in (200, 400) for response in others)
