"""Cases P-B: creating batches (contract 5)."""

import time
from typing import Any

import openai
import pytest

from tests.conformance.client import (
    BATCH_KEYS,
    Api,
    envelope,
    failed_with,
    jsonl,
    line,
)

pytestmark = pytest.mark.conformance
MOMENTS = [
    "in_progress_at",
    "finalizing_at",
    "completed_at",
    "failed_at",
    "expired_at",
    "cancelling_at",
    "cancelled_at",
]


@pytest.fixture
def file_id(api: Api) -> str:
    return str(api.up(jsonl(line("a"))).id)


def test_p_b01_a_new_batch_is_validating(api: Api, file_id: str):
    response = api.create(input_file_id=file_id)

    batch = response.json()
    assert response.status_code == 200, batch
    assert batch["id"].startswith("batch_") and batch["object"] == "batch"
    assert batch["status"] == "validating"
    assert abs(batch["created_at"] - time.time()) < 5
    assert batch["expires_at"] == batch["created_at"] + 86400
    assert batch["request_counts"] == {"total": 0, "completed": 0, "failed": 0}
    unset = ["errors", "output_file_id", "error_file_id", "metadata", *MOMENTS]
    assert all(batch[key] is None for key in unset), batch


def test_p_b02_a_batch_has_every_key_first_and_last(api: Api, file_id: str):
    created = api.create(input_file_id=file_id).json()
    assert set(created) >= BATCH_KEYS
    assert set(api.wait(created["id"])) >= BATCH_KEYS


def test_p_b03_metadata_is_echoed(api: Api, file_id: str):
    metadata = {"job": "nightly", "ünï": "✓"}
    batch = api.mk(file_id, metadata=metadata)

    assert batch.metadata == metadata
    assert api.batch(batch.id)["metadata"] == metadata
    assert next(iter(api.client.batches.list())).metadata == metadata


def test_p_b04_null_metadata_is_null(api: Api, file_id: str):
    response = api.create(input_file_id=file_id, metadata=None)
    assert response.status_code == 200 and response.json()["metadata"] is None


@pytest.mark.parametrize("name", ["input_file_id", "endpoint", "completion_window"])
def test_p_b05_b06_required_parameters_are_named(api: Api, file_id: str, name: str):
    envelope(
        api.create(**{"input_file_id": file_id, name: ...}),
        400,
        param=name,
        code="missing_required_parameter",
        text=f"Missing required parameter: '{name}'",
    )


def test_p_b07_an_unknown_endpoint_is_refused(api: Api, file_id: str):
    error = envelope(
        api.create(input_file_id=file_id, endpoint="/v1/invalid/endpoint"),
        400,
        param="endpoint",
        code="invalid_value",
        text="/v1/invalid/endpoint",
    )
    assert "Supported values" in error["message"]


@pytest.mark.parametrize("window", ["48h", "1h", "", "invalid"])
def test_p_b08_other_windows_are_refused(api: Api, file_id: str, window: str):
    response = api.create(input_file_id=file_id, completion_window=window)
    envelope(response, 400, param="completion_window")


def test_p_b09_a_file_id_has_its_prefix(api: Api):
    envelope(
        api.create(input_file_id="wrong-id"),
        400,
        param="input_file_id",
        code="invalid_value",
        text="Expected an ID that begins with 'file'",
    )


def test_p_b10_an_unknown_file_fails_the_batch(api: Api):
    created = api.create(input_file_id="file-nonexistent-xyz")
    assert created.status_code == 200

    batch = api.wait(created.json()["id"])

    failed_with(batch, ("invalid_request", None, "file_id"))
    assert "Cannot find file" in batch["errors"]["data"][0]["message"]


def test_p_b11_metadata_values_are_strings(api: Api, file_id: str):
    envelope(
        api.create(input_file_id=file_id, metadata={"tags": ["a", "b"]}),
        400,
        param="metadata.tags",
        code="invalid_type",
        text="got an array instead",
    )


def test_p_b12_metadata_has_at_most_sixteen_pairs(api: Api, file_id: str):
    many = {f"k{index}": "v" for index in range(17)}
    response = api.create(input_file_id=file_id, metadata=many)
    envelope(response, 400, param="metadata", code="object_above_max_properties")


def test_p_b13_metadata_values_have_a_length(api: Api, file_id: str):
    response = api.create(input_file_id=file_id, metadata={"k": "v" * 513})
    envelope(response, 400, param="metadata.k", code="string_above_max_length")
    assert api.create(input_file_id=file_id, metadata={"k": "é" * 512}).is_success


def test_p_b14_output_files_expire_as_asked(api: Api):
    policy = {"anchor": "created_at", "seconds": 7200}
    choices: list[tuple[Any, int]] = [
        ({"output_expires_after": policy}, 7200),
        ({}, 2_592_000),
    ]
    for options, seconds in choices:
        batch = api.run(line("a"), **options)
        file = api.client.files.retrieve(batch["output_file_id"])
        assert file.expires_at == file.created_at + seconds


def test_p_b15_output_expiry_has_a_range(api: Api, file_id: str):
    policy = {"anchor": "created_at", "seconds": 60}
    response = api.create(input_file_id=file_id, output_expires_after=policy)
    assert "output_expires_after" in envelope(response, 400)["param"]


def test_p_b16_an_unknown_batch_is_404(api: Api):
    text = "No batch found with id 'batch_doesnotexist'"
    with pytest.raises(openai.NotFoundError, match=text):
        api.client.batches.retrieve("batch_doesnotexist")


def test_p_b17_one_file_serves_two_batches(api: Api, file_id: str):
    first, second = api.mk(file_id).id, api.mk(file_id).id
    assert first != second
    for batch_id in (first, second):
        api.union(api.wait(batch_id), ["a"])


def test_p_b18_a_deleted_file_fails_the_batch(api: Api, file_id: str):
    api.client.files.delete(file_id)
    batch = api.wait(api.mk(file_id).id)
    failed_with(batch, ("invalid_request", None, "file_id"))


def test_p_b19_endpoints_without_a_backend_are_refused(api: Api, file_id: str):
    envelope(
        api.create(input_file_id=file_id, endpoint="/v1/moderations"),
        400,
        param="endpoint",
        code="invalid_value",
        text="/v1/chat/completions",
    )


@pytest.mark.parametrize(
    ("param", "value"),
    [
        ("input_file_id", 5),
        ("endpoint", None),
        ("completion_window", ["24h"]),
        ("metadata", "text"),
        ("output_expires_after", 3600),
    ],
)
def test_a_wrong_json_type_is_named(api: Api, file_id: str, param: str, value: Any):
    response = api.create(**{"input_file_id": file_id, param: value})
    envelope(response, 400, param=param, code="invalid_type", text="Invalid type for")


def test_unknown_parameters_are_refused(api: Api, file_id: str):
    response = api.create(input_file_id=file_id, foo=1)
    envelope(response, 400, param="foo", code="unknown_parameter")


@pytest.mark.parametrize("body", ["[]", "null", "5", '"text"'])
def test_a_body_that_is_no_object_is_refused(api: Api, body: str):
    headers = {"Content-Type": "application/json"}
    envelope(api.raw("POST", "/batches", content=body, headers=headers), 400)


@pytest.mark.parametrize("text", ["a\0b", "\ud800"])
def test_text_that_cannot_be_stored_is_refused(api: Api, file_id: str, text: str):
    envelope(api.create(input_file_id=file_id, metadata={"k": text}), 400)
    envelope(api.create(input_file_id=file_id, metadata={text: "v"}), 400)
    envelope(api.create(input_file_id=f"file-{text}"), 400)


def test_a_long_metadata_key_is_refused(api: Api, file_id: str):
    response = api.create(input_file_id=file_id, metadata={"k" * 65: "v"})
    envelope(response, 400, param="metadata", code="property_name_above_max_length")


def test_a_file_of_another_purpose_is_refused(api: Api):
    file = api.up(jsonl(line("a")), purpose="user_data")
    envelope(api.create(input_file_id=file.id), 400, param="input_file_id")


def test_a_foreign_file_looks_like_an_unknown_one(api: Api, stranger: Api):
    foreign = stranger.up(jsonl(line("a"))).id
    failed_with(api.wait(api.mk(foreign).id), ("invalid_request", None, "file_id"))


def test_an_idempotency_key_makes_one_batch(api: Api, file_id: str):
    order = {"input_file_id": file_id, "endpoint": "/v1/chat/completions"}
    order["completion_window"] = "24h"
    headers = {"Idempotency-Key": "once"}
    first = api.raw("POST", "/batches", json=order, headers=headers).json()
    second = api.raw("POST", "/batches", json=order, headers=headers).json()
    other = {**order, "metadata": {"k": "v"}}

    assert first["id"] == second["id"]
    envelope(api.raw("POST", "/batches", json=other, headers=headers), 409)
