"""Batch files of any lines: each fault is found at its line, each body is kept."""

import json
from collections import Counter
from typing import Any

import pytest
from django.test import Client
from hypothesis import given, settings
from hypothesis import strategies as st

from batches.tasks import attend
from tests.conformance.client import Api, answer
from tests.factories import line, make_client, make_model
from tests.files.uploads import form, send
from tests.fuzz.written import CHAT, Written, bad_line, file_of, good_line

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def model() -> None:
    make_model("stub")


def validated(client: Client, content: bytes) -> dict[str, Any]:
    """Upload, create, let the ops task look at it; return the batch object."""
    uploaded = send(client, form(content))
    assert uploaded.status_code == 200, uploaded.content
    order = {
        "input_file_id": uploaded.json()["id"],
        "endpoint": CHAT,
        "completion_window": "24h",
    }
    created = client.post("/v1/batches", json.dumps(order), "application/json")
    assert created.status_code == 200, created.content
    batch_id = created.json()["id"]
    attend(batch_id)
    found: dict[str, Any] = client.get(f"/v1/batches/{batch_id}").json()
    return found


@given(written=st.lists(st.one_of(good_line(), bad_line()), min_size=1, max_size=8))
def test_each_bad_line_is_named_and_no_other(written: list[Written]):
    bad = [n for n, line in enumerate(written, 1) if not line.is_good]

    batch = validated(make_client(), file_of(written))

    if bad:
        assert batch["status"] == "failed"
        faults = batch["errors"]["data"]
        assert sorted({fault["line"] for fault in faults}) == bad, faults
        assert "server_error" not in {fault["code"] for fault in faults}
    else:
        assert batch["status"] == "in_progress", batch["errors"]


@pytest.mark.parametrize("key", ["method", "model"])
def test_a_fault_that_quotes_nul_is_still_that_fault(key: str):
    text = json.dumps(line()).replace(
        "POST" if key == "method" else "stub", "a\\u0000b"
    )

    batch = validated(make_client(), text.encode())

    (fault,) = batch["errors"]["data"]
    assert fault["code"] in ("invalid_request", "model_not_found")
    assert "\ufffd" in fault["message"]


@given(content=st.binary(max_size=400))
def test_any_bytes_are_a_file_or_a_clear_error(content: bytes):
    client = make_client()

    uploaded = send(client, form(content))

    if uploaded.status_code == 200:
        assert validated(client, content)["status"] == "failed"
    else:
        assert uploaded.status_code == 400 and uploaded.json()["error"]["message"]


@pytest.mark.conformance
# Eighty lines of anything: where that is long, there is nothing shorter to show.
@pytest.mark.filterwarnings("ignore:Generating overly large repr")
@settings(max_examples=3)
@given(written=st.lists(good_line(), min_size=40, max_size=80))
def test_the_engine_gets_each_body_as_it_was_written(
    stack: Any, api: Api, written: list[Written]
):
    file = api.up(file_of(written))

    batch = api.wait(api.mk(file.id).id)

    assert batch["status"] == "completed", batch
    records = api.records(batch["output_file_id"])
    found = Counter((record["custom_id"], answer(record)) for record in records)
    assert found == Counter((line.custom_id, line.body) for line in written)
