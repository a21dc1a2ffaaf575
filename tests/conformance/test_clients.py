"""Cases P-C: clients as they are (contract 12)."""

import asyncio
import json
import subprocess
import time
from pathlib import Path

import openai
import pytest

from tests.conformance.client import CHAT, Api, jsonl, line

pytestmark = pytest.mark.conformance


def test_p_c02_wait_for_processing_returns(api: Api):
    file = api.up(jsonl(line("a")))
    done = api.client.files.wait_for_processing(
        file.id, poll_interval=0.2, max_wait_seconds=5
    )
    assert done.status == "processed"


def test_p_c03_the_async_client_runs_a_batch(api: Api):
    async def cycle() -> list[str]:
        async with openai.AsyncOpenAI(api_key=api.key, base_url=api.base_url) as client:
            data = jsonl(line("a"), line("b"))
            file = await client.files.create(file=("in.jsonl", data), purpose="batch")
            batch = await client.batches.create(
                input_file_id=file.id,
                endpoint="/v1/chat/completions",
                completion_window="24h",
            )
            while batch.status != "completed":
                await asyncio.sleep(0.1)
                batch = await client.batches.retrieve(batch.id)
            assert batch.output_file_id is not None
            content = await client.files.content(batch.output_file_id)
            lines = content.text.strip().split("\n")
            return sorted(json.loads(text)["custom_id"] for text in lines)

    assert asyncio.run(cycle()) == ["a", "b"]


def test_p_c04_the_cookbook_cycle_works(api: Api, tmp_path: Path):
    path = tmp_path / "in.jsonl"
    path.write_bytes(jsonl(line("a"), line("b")))
    with open(path, "rb") as stream:
        file = api.client.files.create(file=stream, purpose="batch")
    batch = api.mk(file.id)
    while batch.status != "completed":
        time.sleep(0.1)
        batch = api.client.batches.retrieve(batch.id)

    pieces = api.client.files.content(batch.output_file_id).text.strip().split("\n")

    assert {json.loads(piece)["custom_id"] for piece in pieces} == {"a", "b"}


def test_p_c05_curl_works(api: Api, tmp_path: Path):
    path = tmp_path / "in.jsonl"
    path.write_bytes(jsonl(line("a")))

    def curl(*arguments: str) -> str:
        command = ["curl", "-sS", "-H", f"Authorization: Bearer {api.key}", *arguments]
        return subprocess.run(
            command, check=True, capture_output=True, text=True
        ).stdout

    upload = curl(
        "-F", "purpose=batch", "-F", f"file=@{path}",
        "-F", "expires_after[anchor]=created_at",
        "-F", "expires_after[seconds]=3600", f"{api.base_url}/files",
    )  # fmt: skip
    file = json.loads(upload)
    order = {"input_file_id": file["id"], "endpoint": CHAT, "completion_window": "24h"}
    created = curl(
        "-H", "Content-Type: application/json", "-d", json.dumps(order),
        f"{api.base_url}/batches",
    )  # fmt: skip
    batch = api.wait(json.loads(created)["id"])

    content = curl(f"{api.base_url}/files/{batch['output_file_id']}/content")

    assert file["expires_at"] == file["created_at"] + 3600
    assert json.loads(content)["custom_id"] == "a"
