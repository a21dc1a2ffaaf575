"""The OpenAPI document."""

import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

pytestmark = pytest.mark.django_db

OPERATIONS = {
    "/v1/files": {"get", "post"},
    "/v1/files/{file_id}": {"get", "delete"},
    "/v1/files/{file_id}/content": {"get"},
    "/v1/batches": {"get", "post"},
    "/v1/batches/{batch_id}": {"get"},
    "/v1/batches/{batch_id}/cancel": {"post"},
    "/v1/batches/{batch_id}/manifest": {"get"},
    "/v1/batches/{batch_id}/pause": {"post"},
    "/v1/batches/{batch_id}/resume": {"post"},
    "/v1/batches/{batch_id}/retry": {"post"},
    "/v1/batches/{batch_id}/results": {"get"},
    "/v1/webhook_endpoints": {"get", "post"},
    "/v1/webhook_endpoints/{webhook_endpoint_id}": {"get", "post", "delete"},
    "/v1/webhook_endpoints/{webhook_endpoint_id}/rotate_secret": {"post"},
    "/v1/webhook_endpoints/{webhook_endpoint_id}/test": {"post"},
    "/v1/webhook_event_types": {"get"},
    "/v1/models": {"get"},
    "/v1/models/{model}": {"get"},
}


@pytest.fixture
def document(client) -> Any:
    return client.get("/openapi.json").json()


def test_it_is_valid_and_generated_without_a_warning(tmp_path: Path):
    path = tmp_path / "openapi.json"

    call_command(
        "spectacular",
        file=str(path),
        format="openapi-json",
        validate=True,
        fail_on_warn=True,
    )

    assert json.loads(path.read_text())["openapi"] == "3.1.0"


def test_it_names_every_operation_and_no_other(document):
    found = {path: set(item) for path, item in document["paths"].items()}

    assert found == OPERATIONS


def test_every_operation_tells_of_its_errors(document):
    operations = [o for item in document["paths"].values() for o in item.values()]

    assert all({"200", "401", "403", "503"} <= set(o["responses"]) for o in operations)


def test_every_operation_wants_a_key(document):
    operations = [o for item in document["paths"].values() for o in item.values()]

    assert all(operation["security"] == [{"ApiKey": []}] for operation in operations)
