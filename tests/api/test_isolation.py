"""One project cannot tell another project's objects from those that never were.

T40: every route of the URL conf × every method × own, foreign, deleted and random id.
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from batches.models import BatchJob, WebhookEndpoint
from batches.tasks import attend
from files.models import File
from tests.api.routes import KINDS, METHODS, Kind, Route, ask, routes
from tests.factories import (
    CHAT,
    make_batch,
    make_client,
    make_file,
    make_model,
    make_project,
)

pytestmark = pytest.mark.django_db

ROUTES = list(routes())
# Paths whose id names something of a project's, and paths that list such things.
OBJECTS = [route for route in ROUTES if route.kind]
LISTS = [route for route in ROUTES if route.actions.get("get") == "list"]
LISTED = {"files": "file_id", "batches": "batch_id"}
LISTED["webhook_endpoints"] = "webhook_endpoint_id"
BODIES = [None, {}, {"name": "mine"}, {"input_file_id": "file-1"}]


def name_of(route: Route) -> str:
    return route.path


def without(text: str, object_id: str) -> str:
    return text.replace(object_id, "ID")


def rows() -> str:
    """Return all that requests could change, as text."""
    tables = (File, BatchJob, WebhookEndpoint)
    return str([list(table.objects.order_by("pk").values()) for table in tables])


def test_each_part_of_a_path_has_a_kind():
    assert {route.part for route in ROUTES if route.part} == set(KINDS)


@pytest.mark.parametrize("body", BODIES, ids=str)
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("route", OBJECTS, ids=name_of)
def test_a_foreign_object_looks_like_none(route: Route, method: str, body: Any):
    assert route.kind is not None
    foreign, none = route.kind.make(make_project()).pk, route.kind.random_id
    client = make_client()
    before = rows()

    status, text = ask(client, method, route.path.format(id=foreign), body)

    expected = ask(client, method, route.path.format(id=none), body)
    assert (status, without(text, foreign)) == (expected[0], without(expected[1], none))
    assert status in (404, 405) or (status == 415 and body is None)
    assert rows() == before


@pytest.mark.parametrize("route", OBJECTS, ids=name_of)
def test_the_own_object_is_there(route: Route):
    assert route.kind is not None
    project = make_project()
    own = route.kind.make(project).pk
    client = make_client(project)

    for method in route.actions:
        assert ask(client, method, route.path.format(id=own), {})[0] != 404


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("route", OBJECTS, ids=name_of)
def test_a_deleted_object_looks_like_none_to_its_owner(route: Route, method: str):
    if route.part != "file_id":
        pytest.skip("a deleted endpoint has no row; batches are never deleted")
    project = make_project()
    file = make_file(b"secret\n", project, deleted_at=timezone.now())
    assert route.kind is not None
    none = route.kind.random_id
    client = make_client(project)

    status, text = ask(client, method, route.path.format(id=file.pk))

    expected = ask(client, method, route.path.format(id=none))
    assert (status, without(text, file.pk)) == (
        expected[0],
        without(expected[1], none),
    )


def foreign_ids() -> list[str]:
    project = make_project()
    return [kind.make(project).pk for kind in KINDS.values() if kind]


@pytest.mark.parametrize("route", [r for r in ROUTES if not r.kind], ids=name_of)
def test_what_has_no_id_tells_of_no_foreign_object(route: Route):
    hidden = foreign_ids()
    client = make_client()

    for method in route.actions:
        _, text = ask(client, method, route.path.format(id="stub"), {})
        assert not any(object_id in text for object_id in hidden)


def kind_of_list(route: Route) -> Kind | None:
    name = route.path.removeprefix("/v1/")
    if name == "models":
        return None
    kind = KINDS[LISTED[name]]
    assert kind is not None
    return kind


@pytest.mark.parametrize("route", LISTS, ids=name_of)
def test_a_list_holds_the_own_objects_only(route: Route):
    kind = kind_of_list(route)
    if kind is None:
        pytest.skip("models are everybody's")
    foreign_ids()
    project = make_project()
    own = kind.make(project)

    _, text = ask(make_client(project), "get", route.path)

    assert [item["id"] for item in json.loads(text)["data"]] == [own.pk]


@pytest.mark.parametrize("route", LISTS, ids=name_of)
def test_a_foreign_id_is_an_unknown_cursor(route: Route):
    kind = kind_of_list(route)
    if kind is None:
        pytest.skip("models are everybody's")
    foreign, client = kind.make(make_project()).pk, make_client()

    status, text = ask(client, "get", f"{route.path}?after={foreign}")

    none = ask(client, "get", f"{route.path}?after={kind.random_id}")
    assert (status, without(text, foreign)) == (404, without(none[1], kind.random_id))


def keys_of(value: object) -> Iterator[str]:
    """Return the name of every property that a schema describes."""
    if isinstance(value, dict):
        properties = value.get("properties")
        yield from properties if isinstance(properties, dict) else ()
        for item in value.values():
            yield from keys_of(item)
    elif isinstance(value, list):
        for item in value:
            yield from keys_of(item)


def ids_in_bodies(client: Client) -> set[str]:
    """Return the names of body keys that name objects, as the document has them."""
    paths = client.get("/openapi.json").json()["paths"]
    operations = [item for path in paths.values() for item in path.values()]
    names = {n for one in operations for n in keys_of(one.get("requestBody"))}
    return {name for name in names if name.endswith(("_id", "_ids", "_of"))}


def test_the_ids_that_bodies_hold_are_these(client: Client):
    # custom_ids are the client's own words for lines of the batch in the path.
    assert ids_in_bodies(client) == {"input_file_id", "manifest_of", "custom_ids"}


def order(file_id: str, **extension: str) -> dict[str, Any]:
    body: dict[str, Any] = {
        "input_file_id": file_id,
        "endpoint": CHAT,
        "completion_window": "24h",
    }
    return body | ({"vllm_batch": extension} if extension else {})


@pytest.mark.parametrize("purpose", ["batch", "user_data", "batch_output"])
def test_creating_from_a_foreign_file_looks_like_creating_from_none(purpose: str):
    make_model("stub")
    file = make_file(b"{}\n", purpose=purpose)
    client = make_client()
    answers = []

    for file_id in (file.pk, "file-" + "0" * 32):
        _, text = ask(client, "post", "/v1/batches", order(file_id))
        batch_id = json.loads(text)["id"]
        attend(batch_id)
        batch = client.get(f"/v1/batches/{batch_id}").json()
        answers.append(without(json.dumps(batch["errors"]), file_id))

    assert answers[0] == answers[1] and "Cannot find file ID" in answers[0]


def test_a_foreign_batch_lends_its_manifest_to_nobody():
    foreign, none = make_batch(manifest={"model": "stub"}).pk, "batch_" + "0" * 32
    client = make_client()

    found = [
        ask(client, "post", "/v1/batches", order("file-1", manifest_of=batch_id))
        for batch_id in (foreign, none)
    ]

    assert found[0][0] == found[1][0] >= 400
    assert without(found[0][1], foreign) == without(found[1][1], none)


def test_two_projects_may_use_the_same_idempotency_key():
    headers = {"Idempotency-Key": "once"}

    statuses = {
        client.post(
            "/v1/batches", order("file-1"), "application/json", headers=headers
        ).status_code
        for client in (make_client(), make_client())
    }

    assert statuses == {200} and BatchJob.objects.count() == 2


@pytest.mark.parametrize("route", OBJECTS, ids=name_of)
def test_foreign_and_random_ids_cost_the_same_queries(route: Route):
    assert route.kind is not None
    foreign, client = route.kind.make(make_project()).pk, make_client()
    method = next(iter(route.actions))
    counts = []
    ask(client, method, route.path.format(id=route.kind.random_id))

    for object_id in (route.kind.random_id, foreign):
        with CaptureQueriesContext(connection) as queries:
            ask(client, method, route.path.format(id=object_id))
        counts.append(len(queries))

    assert counts[0] == counts[1]
