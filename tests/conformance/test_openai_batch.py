"""Case P-C01: the unmodified `openai-batch` client (contract 12 lists its defects)."""

import json
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from openai_batch import Batch
from openai_batch.providers import Provider

from tests.conformance.client import Api, jsonl, line

pytestmark = pytest.mark.conformance


class TextTaker(BytesIO):
    """The one kind of file its `add_to_batch` can write to and then upload."""

    def write(self, text: str) -> int:  # type: ignore[override]
        return super().write(text.encode())


def provider(api: Api) -> Provider:
    return Provider(base_url=api.base_url, api_key=api.key)


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(text) for text in path.read_text().strip().split("\n")]


def test_p_c01_a_chat_file_goes_all_the_way(api: Api, tmp_path: Path):
    source = tmp_path / "in.jsonl"
    source.write_bytes(jsonl(*[line(f"line-{n}", f"ECHO {n}") for n in range(5)]))
    client = Batch(
        submission_input_file=str(source),
        provider=provider(api),
        output_file=str(tmp_path / "o.jsonl"),
        error_file=str(tmp_path / "e.jsonl"),
    )

    batch, output, error = client.submit_wait_download(interval=0.2)

    assert batch.status == "completed" and error is None and output is not None
    records = read(tmp_path / "o.jsonl")
    assert {record["custom_id"] for record in records} == {
        f"line-{n}" for n in range(5)
    }
    upload = api.client.files.retrieve(batch.input_file_id)
    assert upload.filename == "upload" and batch.metadata is None


@pytest.mark.parametrize(
    ("fields", "endpoint", "key"),
    [
        (
            {"messages": [{"role": "user", "content": "hi"}]},
            "chat/completions",
            "choices",
        ),
        ({"input": "hi"}, "embeddings", "data"),
        ({"text_1": "hi", "text_2": "ho"}, "score", "data"),
    ],
)
def test_p_c01_requests_added_one_by_one_run(
    api: Api, tmp_path: Path, fields: dict[str, Any], endpoint: str, key: str
):
    client = Batch(
        submission_input_file=TextTaker(),
        provider=provider(api),
        output_file=str(tmp_path / "o.jsonl"),
    )
    for _ in range(3):
        client.add_to_batch(model="stub", **fields)

    batch, _, _ = client.submit_wait_download(interval=0.2)

    assert (batch.status, batch.endpoint) == ("completed", f"/v1/{endpoint}")
    records = read(tmp_path / "o.jsonl")
    assert len(records) == 3
    assert all(record["response"]["body"][key] for record in records)


def test_an_expired_or_unknown_batch_ends_its_provider_search(api: Api):
    client = Batch(batch_id="batch_unknown", provider=provider(api))

    with pytest.raises(Exception, match="No batch found"):
        client.status()
