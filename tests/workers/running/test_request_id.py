"""The id of the call that made a batch goes with its lines up to the engine's call."""

import asyncio
import json
from typing import Any

import pytest
from aiohttp import web

from batches.models import BatchJob
from batches.tasks import attend
from tests.factories import make_client, make_file, make_model, make_running_batch
from tests.workers.runs import make_runner
from tests.workers.servers import answering, http_engine, started
from workers.engines.stub import USAGE

pytestmark = pytest.mark.django_db(transaction=True)


def create(client: Any, file_id: str) -> tuple[BatchJob, str]:
    """Make a batch over HTTP; return it and the call's id."""
    order = {"input_file_id": file_id, "endpoint": "/v1/chat/completions"}
    body = json.dumps({**order, "completion_window": "24h"})
    answer = client.post("/v1/batches", body, content_type="application/json")
    assert answer.status_code == 200, answer.content
    return BatchJob.objects.get(pk=answer.json()["id"]), answer["x-request-id"]


def test_a_batch_keeps_the_id_of_the_call_that_made_it():
    make_model()
    batch = make_running_batch()

    made, request_id = create(make_client(batch.project), batch.input_file_id)

    assert made.request_id == request_id
    assert make_file().pk and batch.request_id != request_id


def test_the_engines_server_is_sent_it():
    seen: list[str] = []

    async def reply(request: web.Request) -> web.Response:
        await request.read()
        if request.method == "POST":
            seen.append(request.headers.get("X-Client-Request-Id", ""))
        choice = {"message": {"content": "hi"}, "finish_reason": "stop"}
        return web.json_response({"choices": [choice], "usage": USAGE})

    async def run() -> None:
        async with answering(reply) as url, started(http_engine(url)) as engine:
            await make_runner(engine).run()

    other = make_running_batch()
    BatchJob.objects.filter(pk=other.pk).update(request_id="")
    made, request_id = create(make_client(other.project), other.input_file_id)
    attend(made.pk)
    asyncio.run(run())

    assert sorted(seen) == sorted(["", request_id])
