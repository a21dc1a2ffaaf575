"""Make rows with defaults filled in: a test names only what matters to it."""

import json
from datetime import datetime, timedelta
from itertools import count
from typing import Any

from django.test import Client

from accounts.models import ApiKey, Project
from batches.models import BatchJob, Chunk
from batches.tasks import attend
from files.actions import prepare_file
from files.litter import note_known
from files.models import File, Purpose
from files.stores import new_file
from vllm_batch.lib.clock import database_now
from workers.models import ServedModel

CHAT, EMBEDDINGS = "/v1/chat/completions", "/v1/embeddings"
_numbers = count(1)


def make_project(name: str = "") -> Project:
    """Make a tenant."""
    return Project.objects.create(name=name or f"project {next(_numbers)}")


def make_key(project: Project | None = None, **fields: Any) -> tuple[ApiKey, str]:
    """Issue a key; the second value is its secret."""
    return ApiKey.issue(
        project or make_project(), fields.pop("name", "a test"), **fields
    )


def make_client(project: Project | None = None, **fields: Any) -> Client:
    """Return an HTTP client that speaks for a project, with a new key."""
    _, secret = make_key(project, **fields)
    return Client(headers={"Authorization": f"Bearer {secret}"})


def make_model(name: str = "stub", **fields: Any) -> ServedModel:
    """Make a served model on the stub engine."""
    return ServedModel.objects.create(name=name, **{"engine": "stub", **fields})


def make_file(
    content: bytes = b"", project: Project | None = None, **fields: Any
) -> File:
    """Store a file."""
    with new_file() as written:
        written.write(content)
        file = prepare_file(
            project or make_project(),
            written,
            filename=fields.pop("filename", "in.jsonl"),
            purpose=fields.pop("purpose", Purpose.BATCH),
            created_at=fields.pop("created_at", database_now()),
            expires_at=fields.pop("expires_at", None),
        )
    for name, value in fields.items():
        setattr(file, name, value)
    file.save(force_insert=True)
    note_known(file.path)
    return file


def line(
    custom_id: str = "a",
    content: str = "ECHO hi",
    *,
    url: str = CHAT,
    model: str = "stub",
    **body: Any,
) -> dict[str, Any]:
    """Return one request line."""
    messages = {"messages": [{"role": "user", "content": content}]}
    subject = {"input": content} if url == EMBEDDINGS else messages
    request = {"model": model, **subject, **body}
    return {"custom_id": custom_id, "method": "POST", "url": url, "body": request}


def lines(number: int, content: str = "ECHO hi", **details: Any) -> list[Any]:
    """Return so many request lines, with custom ids l0, l1 …"""
    return [line(f"l{index}", content, **details) for index in range(number)]


def jsonl(*items: dict[str, Any] | str | bytes) -> bytes:
    """Return a batch file of request lines and raw lines."""
    return b"".join(_encoded(item) + b"\n" for item in items)


def _encoded(item: dict[str, Any] | str | bytes) -> bytes:
    if isinstance(item, dict):
        item = json.dumps(item)
    return item if isinstance(item, bytes) else item.encode()


def make_batch(
    *items: dict[str, Any] | str | bytes,
    project: Project | None = None,
    **fields: Any,
) -> BatchJob:
    """Make a batch over a file of these lines, waiting for validation."""
    project = project or make_project()
    if "input_file_id" not in fields:
        content = jsonl(*(items or (line(),)))
        fields["input_file_id"] = make_file(content, project).pk
    now: datetime = fields.setdefault("created_at", database_now())
    fields.setdefault("expires_at", now + timedelta(hours=24))
    fields.setdefault("endpoint", CHAT)
    return BatchJob.objects.create(
        project=project, completion_window="24h", request_digest="", **fields
    )


def make_running_batch(*items: dict[str, Any] | str | bytes, **fields: Any) -> BatchJob:
    """Make a batch that was validated and has its chunks."""
    ServedModel.objects.get_or_create(name="stub", defaults={"engine": "stub"})
    batch = make_batch(*items, **fields)
    attend(batch.pk)
    batch.refresh_from_db()
    assert batch.status == "in_progress", batch.errors
    return batch


def make_chunk(batch: BatchJob | None = None, **fields: Any) -> Chunk:
    """Make a chunk of one line, in a running batch unless told otherwise."""
    batch = batch or make_batch(status="in_progress", total=1, model="stub")
    length = File.objects.get(pk=batch.input_file_id).bytes
    defaults: dict[str, Any] = {
        "index": batch.chunks.count(),
        "model": "stub",
        "first_line": 1,
        "span": 1,
        "line_count": 1,
        "first_byte": 0,
        "byte_count": length,
        "done": bytes(1),
    }
    return Chunk.objects.create(batch=batch, **{**defaults, **fields})
