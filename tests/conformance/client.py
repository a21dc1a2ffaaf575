"""How the conformance cases talk to the server: the SDK, and plain HTTP beside it."""

import json
import time
from collections.abc import Iterable
from typing import Any

import httpx
import openai

CHAT, EMB, CMP = "/v1/chat/completions", "/v1/embeddings", "/v1/completions"
TERMINAL = ("completed", "failed", "expired", "cancelled")
_BATCH_KEYS = """
id object endpoint model errors input_file_id completion_window status output_file_id
error_file_id created_at in_progress_at expires_at finalizing_at completed_at failed_at
expired_at cancelling_at cancelled_at request_counts usage metadata
"""
BATCH_KEYS = set(_BATCH_KEYS.split())
Json = Any


def line(
    custom_id: str,
    content: str = "ECHO hi",
    url: str = CHAT,
    model: str = "stub",
    **body: Any,
) -> dict[str, Any]:
    """Return one request line."""
    subject: dict[str, Any] = {"messages": [{"role": "user", "content": content}]}
    if url == EMB:
        subject = {"input": content}
    elif url == CMP:
        subject = {"prompt": content}
    request = {"model": model, **subject, **body}
    return {"custom_id": custom_id, "method": "POST", "url": url, "body": request}


def jsonl(*items: dict[str, Any] | str, sep: str = "\n", end: str = "\n") -> bytes:
    """Return a batch file of request lines and raw texts."""
    texts = [item if isinstance(item, str) else json.dumps(item) for item in items]
    return (sep.join(texts) + end).encode()


def envelope(
    response: httpx.Response,
    *statuses: int,
    text: str = "",
    **expected: str | None,
) -> dict[str, Any]:
    """Check an error answer and return its `error`."""
    assert response.status_code in statuses, (response.status_code, response.text)
    assert response.headers["content-type"].startswith("application/json")
    assert response.headers["x-request-id"]
    error: dict[str, Any] = response.json()["error"]
    assert set(error) >= {"message", "type", "param", "code"}
    assert error["message"] and isinstance(error["type"], str)
    assert error["param"] is None or isinstance(error["param"], str)
    assert error["code"] is None or isinstance(error["code"], str)
    for key, value in expected.items():
        assert error[key] == value, error
    assert text.lower() in error["message"].lower(), error
    return error


class Api:
    """One project's view of the server."""

    def __init__(self, base_url: str, key: str) -> None:
        self.base_url = base_url
        self.key = key
        self.client = openai.OpenAI(api_key=key, base_url=base_url, max_retries=0)
        self.http = httpx.Client(timeout=60, trust_env=False)

    def raw(
        self,
        method: str,
        path: str,
        *,
        key: str | None = "",
        headers: dict[str, str] | None = None,
        **details: Any,
    ) -> httpx.Response:
        """Send one request without following redirects; `key=None` sends no key."""
        sent = dict(headers or {})
        if key is not None:
            sent["Authorization"] = f"Bearer {key or self.key}"
        if "json" in details:  # unlike httpx, json can write a lone surrogate
            details["content"] = json.dumps(details.pop("json"))
            sent["Content-Type"] = "application/json"
        return self.http.request(method, self.base_url + path, headers=sent, **details)

    def form(
        self, data: bytes, name: str = "in.jsonl", **fields: str
    ) -> httpx.Response:
        """Upload by a plain form."""
        files = {"file": (name, data, "application/octet-stream")}
        return self.raw("POST", "/files", data=fields, files=files)

    def up(self, data: bytes, name: str = "in.jsonl", **options: Any) -> Any:
        """Upload by the SDK, with purpose batch unless told otherwise."""
        options.setdefault("purpose", "batch")
        return self.client.files.create(file=(name, data), **options)

    def mk(self, file_id: str, endpoint: str = CHAT, **options: Any) -> Any:
        """Create a batch by the SDK."""
        options.setdefault("completion_window", "24h")
        order: Any = {"input_file_id": file_id, "endpoint": endpoint, **options}
        return self.client.batches.create(**order)

    def create(self, **body: Any) -> httpx.Response:
        """Create a batch by plain HTTP; a value of `...` leaves the key out."""
        order: dict[str, Any] = {"endpoint": CHAT, "completion_window": "24h", **body}
        order = {key: value for key, value in order.items() if value is not ...}
        return self.raw("POST", "/batches", json=order)

    def batch(self, batch_id: str) -> Json:
        """Return the raw batch object."""
        return self.raw("GET", f"/batches/{batch_id}").json()

    def wait(
        self, batch_id: str, until: Iterable[str] = TERMINAL, seconds: float = 60
    ) -> Json:
        """Wait for a status and return the raw batch object."""
        ends_at = time.monotonic() + seconds
        while (batch := self.batch(batch_id))["status"] not in until:
            assert time.monotonic() < ends_at, f"stuck: {batch}"
            time.sleep(0.1)
        return batch

    def run(
        self, *items: Json, endpoint: str = CHAT, seconds: float = 60, **options: Any
    ) -> Json:
        """Upload, create, and wait for the end."""
        file = self.up(jsonl(*items))
        return self.wait(self.mk(file.id, endpoint, **options).id, seconds=seconds)

    def records(self, file_id: str | None) -> list[Json]:
        """Return the lines of an output or error file."""
        if not file_id:
            return []
        content = self.raw("GET", f"/files/{file_id}/content")
        assert content.status_code == 200 and content.content.endswith(b"\n")
        return [json.loads(text) for text in content.content.split(b"\n")[:-1]]

    def union(self, batch: Json, ids: Iterable[str]) -> dict[str, tuple[str, Json]]:
        """Check that each id has one record in the two files together; return them."""
        both = [("out", r) for r in self.records(batch["output_file_id"])]
        both += [("err", r) for r in self.records(batch["error_file_id"])]
        assert sorted(r["custom_id"] for _, r in both) == sorted(ids)
        assert len({record["id"] for _, record in both}) == len(both)
        for kind, record in both:
            assert set(record) == {"id", "custom_id", "response", "error"}
            if kind == "out":
                assert record["response"]["status_code"] == 200
                assert record["error"] is None
            else:
                assert (record["response"] is None) == (record["error"] is not None)
        return {record["custom_id"]: (kind, record) for kind, record in both}


def failed_with(batch: Json, *wanted: tuple[str | None, int | None, Any]) -> None:
    """Check a failed batch: (code or None, line, param or ...) for each fault."""
    assert batch["status"] == "failed" and isinstance(batch["failed_at"], int), batch
    assert batch["output_file_id"] is None and batch["error_file_id"] is None
    assert batch["in_progress_at"] is None and batch["errors"]["object"] == "list"
    found = batch["errors"]["data"]
    assert len(found) == len(wanted), found
    for fault, (code, number, param) in zip(found, wanted, strict=True):
        assert set(fault) == {"code", "message", "param", "line"} and fault["message"]
        assert fault["line"] == number, fault
        assert code is None or fault["code"] == code, fault
        assert param is ... or fault["param"] == param, fault


def answer(record: Json) -> str:
    """Return the text of a successful chat record."""
    text: str = record["response"]["body"]["choices"][0]["message"]["content"]
    return text
