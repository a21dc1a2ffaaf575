"""Every writable route: hostile strings in every key, and keys that are not theirs.

T22: NUL, lone surrogates, right-to-left marks, a lot, nothing: a 4xx or an exact round
trip, never a 5xx. T41: no field of a table can be set by naming it. T42: no key does
more than its scopes say.
"""

import json
from typing import Any

import pytest
from django.apps import apps

from accounts.models import SCOPES, ApiKey, Project
from batches.models import BatchJob, WebhookEndpoint
from files.models import File
from tests.api.routes import Route, ask, routes
from tests.factories import CHAT, make_client, make_project
from tests.files.uploads import form, send

pytestmark = pytest.mark.django_db
ROUTES = list(routes())
WRITING = [route for route in ROUTES if "post" in route.actions]
JSON_ROUTES = [route for route in WRITING if route.path != "/v1/files"]

GOOD: dict[str, Any] = {
    "/v1/batches": {
        "input_file_id": "file-1",
        "endpoint": CHAT,
        "completion_window": "24h",
        "metadata": {"k": "v"},
        "vllm_batch": {"manifest_of": "batch_1"},
        "output_expires_after": {"anchor": "created_at", "seconds": 3600},
    },
    "/v1/batches/{id}/pause": {"reason": "r"},
    "/v1/batches/{id}/retry": {
        "causes": ["rate_limit"],
        "custom_ids": ["a"],
        "metadata": {"k": "v"},
    },
    "/v1/webhook_endpoints": {
        "name": "n",
        "url": "https://hooks.example.com/a",
        "event_types": ["batch.completed"],
    },
    "/v1/webhook_endpoints/{id}": {"name": "n", "url": "https://h.example.com/"},
    "/v1/webhook_endpoints/{id}/test": {"event_type": "batch.completed"},
    "/v1/webhook_endpoints/{id}/rotate_secret": {"expires_at": 4_000_000_000},
}
HOSTILE = {
    "NUL": "a\0b",
    "high surrogate": "\ud800",
    "low surrogate": "\udc00x",
    "right to left": "\u202eabc\u2066",
    "line separators": "\u2028\u2029\x85",
    "control": "\x01\x1b[2J\r\nX-Evil: 1",
    "long": "x" * 900_000,
    "wide": "\U0001f600" * 70_000,
    "empty": "",
    "quotes": "'\"; DROP TABLE x; --",
    "not a string": 2**70,
    "an object": {"$ne": None},
    "a list": [[[]]],
    "null": None,
    "true": True,
    "a small float": 5e-324,
}


def name_of(route: Route) -> str:
    return route.path


def places(body: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the way to every value of a body."""
    found = [path] if path else []
    items: Any = body.items() if isinstance(body, dict) else []
    if isinstance(body, list):
        items = enumerate(body)
    return found + [way for key, item in items for way in places(item, (*path, key))]


def with_value(body: Any, path: tuple[Any, ...], value: Any) -> Any:
    copy = json.loads(json.dumps(body))
    holder = copy
    for key in path[:-1]:
        holder = holder[key]
    holder[path[-1]] = value
    return copy


def path_of(route: Route, project: Project) -> str:
    kind = route.kind
    return route.path.format(id=kind.make(project).pk) if kind else route.path


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("route", JSON_ROUTES, ids=name_of)
def test_a_hostile_value_is_never_a_500(route: Route, name: str):
    project = make_project()
    path, client = path_of(route, project), make_client(project)
    good = GOOD.get(route.path, {})

    for place in places(good) or [("anything",)]:
        body = json.dumps(with_value(good, place, HOSTILE[name]))
        status, text = ask(client, "post", path, body)
        assert status < 500, (place, text[:300])
        json.loads(text)


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("key", ["purpose", "expires_after[seconds]", "colour"])
def test_a_hostile_form_field_is_never_a_500(key: str, name: str):
    text = str(HOSTILE[name]).encode(errors="replace").decode()

    fields: Any = {key: text}

    assert send(make_client(), form(**fields)).status_code < 500


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("key", ["after", "limit", "order", "purpose", "x"])
def test_a_hostile_query_is_never_a_500(key: str, name: str):
    client = make_client()
    value = str(HOSTILE[name])[:2000].encode(errors="replace").decode()

    for path in ("/v1/files", "/v1/batches", "/v1/webhook_endpoints"):
        assert client.get(path, {key: value}).status_code < 500


def field_names() -> list[str]:
    tables = (
        "vllm_files.file",
        "vllm_batches.batchjob",
        "vllm_batches.webhookendpoint",
    )
    fields = (f for name in tables for f in apps.get_model(name)._meta.get_fields())
    names = {name for f in fields for name in (f.name, getattr(f, "attname", f.name))}
    return sorted(names)


@pytest.mark.parametrize("route", JSON_ROUTES, ids=name_of)
def test_a_field_of_a_table_cannot_be_set_by_naming_it(route: Route):
    project, other = make_project(), make_project()
    path, client = path_of(route, project), make_client(project)
    good = GOOD.get(route.path, {})
    tables = (File, BatchJob, WebhookEndpoint)
    before = [list(table.objects.order_by("pk").values()) for table in tables]

    for name in set(field_names()) - set(good):
        value = other.pk if name.startswith("project") else "completed"
        status, text = ask(client, "post", path, {**good, name: value})
        if good or status >= 400:
            assert status in (400, 409), (name, text)

    found = [list(table.objects.order_by("pk").values()) for table in tables]
    if good:
        assert found == before
    assert not any(table.objects.filter(project=other).exists() for table in tables)


OPERATIONS = [
    (route, method, route.view.scopes[action])
    for route in ROUTES
    for method, action in route.actions.items()
]


@pytest.mark.parametrize(
    ("route", "method", "scope"), OPERATIONS, ids=lambda x: getattr(x, "path", x)
)
def test_each_operation_needs_its_scope_and_no_other(
    route: Route, method: str, scope: str
):
    project = make_project()
    path = path_of(route, project) if route.kind else route.path.format(id="stub")

    for held in SCOPES:
        status, _ = ask(make_client(project, scopes=[held]), method, path)
        assert (status != 403) == (held == scope), held
    assert ApiKey.objects.count() == len(SCOPES)
