"""What every engine promises. A new engine is added to ENGINES and passes this."""

import asyncio
import json

import pytest

from tests.factories import EMBEDDINGS
from tests.workers.servers import (
    EngineMaker,
    ask,
    body,
    in_process,
    over_http,
    run,
    text_of,
)
from workers.engines.base import Answer, Engine, EngineUnreachable

ENGINES = {"stub": in_process, "openai_http": over_http}


@pytest.fixture(params=list(ENGINES))
def make(request: pytest.FixtureRequest) -> EngineMaker:
    return ENGINES[request.param]


def test_it_answers_a_request(make):
    answer = run(make, lambda engine: ask(engine, "ECHO hello"))

    assert answer.status == 200 and text_of(answer) == "hello"


def test_it_answers_other_endpoints(make):
    answer = run(make, lambda engine: ask(engine, "hello", EMBEDDINGS))

    assert answer.status == 200 and json.loads(answer.body)["data"]


def test_it_gets_the_clients_bytes_unchanged(make):
    sent = body("BODY").replace(b": ", b" :  ")

    answer = run(make, lambda engine: engine.post("/v1/chat/completions", sent))

    assert text_of(answer).encode() == sent


def test_it_knows_its_concurrency_once_started(make):
    async def work(engine: Engine) -> int:
        return engine.concurrency

    assert run(make, work) >= 1


def test_it_is_well_once_started(make):
    assert run(make, lambda engine: engine.health()) is True


def test_it_returns_an_http_error_as_an_answer(make):
    answer = run(make, lambda engine: ask(engine, "HTTP 422"))

    assert answer.status == 422
    assert json.loads(answer.body)["error"]["message"] == "stub 422"


def test_an_endpoint_it_does_not_serve_is_a_404(make):
    answer = run(make, lambda engine: ask(engine, "hello", "/v1/nope"))

    assert answer.status == 404


def test_a_body_that_is_no_json_is_an_answer_too(make):
    answer = run(make, lambda engine: engine.post("/v1/chat/completions", b"{bad"))

    assert answer.status == 400


def test_it_answers_many_requests_at_once(make):
    async def work(engine: Engine) -> list[Answer]:
        asked = [ask(engine, f"SLEEP 0.01 {number}") for number in range(50)]
        return await asyncio.gather(*asked)

    answers = run(make, work)

    assert [text_of(answer) for answer in answers] == [str(n) for n in range(50)]


def test_a_cancelled_request_ends_and_the_next_one_is_answered(make):
    async def work(engine: Engine) -> Answer:
        asked = asyncio.create_task(ask(engine, "SLEEP 600 never"))
        await asyncio.sleep(0.05)
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
        return await ask(engine, "ECHO still here")

    assert text_of(run(make, work)) == "still here"


def test_a_connection_that_breaks_off_is_unreachable(make):
    with pytest.raises(EngineUnreachable) as caught:
        run(make, lambda engine: ask(engine, "DROP"))

    assert caught.value.retryable


def test_it_can_be_stopped_after_a_request_was_given_up(make):
    async def work(engine: Engine) -> bool:
        asked = asyncio.create_task(ask(engine, "SLEEP 600 never"))
        await asyncio.sleep(0.05)
        asked.cancel()
        await asyncio.wait({asked})
        return asked.cancelled()

    assert run(make, work)


def test_it_can_be_stopped_without_having_been_started(make):
    async def main() -> None:
        async with make() as engine:
            await engine.stop()

    asyncio.run(main())
