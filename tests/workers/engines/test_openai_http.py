"""The engine that is one or many OpenAI-compatible servers."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from tests.workers.servers import Handler, answering, ask, http_engine, started
from workers.engines.base import Answer, Engine, EngineUnreachable
from workers.engines.fleet import endpoint


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint, "FIRST_WAIT_SECONDS", 0.001)


class Script:
    """A server that gives these answers, one after the other, then repeats the last.

    An answer is a status, a response, or None to break the connection off. A probe,
    which asks whether the server is still there, is answered and not noted.
    """

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.seen: list[web.Request] = []

    async def reply(self, request: web.Request) -> web.StreamResponse:
        """Give the next answer."""
        if b'"Hi"' in await request.read():
            return web.json_response({})
        self.seen.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if answer is None:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        if isinstance(answer, int):
            return web.json_response({"status": answer}, status=answer)
        response: web.StreamResponse = answer
        return response


@asynccontextmanager
async def engine_on(handler: Handler, **engine_args: Any) -> AsyncIterator[Engine]:
    """Serve by a handler, and yield a started engine that asks it."""
    async with AsyncExitStack() as stack:
        base_url = await stack.enter_async_context(answering(handler))
        engine = http_engine(base_url, **engine_args)
        yield await stack.enter_async_context(started(engine))


def post(script: Script, **engine_args: Any) -> Answer:
    """Post once to a server with this script."""

    async def main() -> Answer:
        async with engine_on(script.reply, **engine_args) as engine:
            return await ask(engine, "hello")

    return asyncio.run(main())


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_what_may_pass_is_tried_again(status):
    script = Script(status, status, 200)

    answer = post(script)

    assert answer.status == 200 and len(script.seen) == 3


@pytest.mark.parametrize("status", [400, 401, 404, 422])
def test_what_will_not_pass_is_not_tried_again(status):
    script = Script(status, 200)

    answer = post(script)

    assert answer.status == status and len(script.seen) == 1


def test_the_last_tries_answer_counts():
    script = Script(503, 429)

    answer = post(script, tries=2)

    assert answer.status == 429 and len(script.seen) == 2


def test_a_server_that_asks_for_a_pause_gets_one():
    refusal = web.Response(status=429, headers={"Retry-After": "0.01"})
    script = Script(refusal, 200)

    answer = post(script)

    assert answer.status == 200 and len(script.seen) == 2


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        ("0.5", 0.5),
        ("99999", endpoint.LONGEST_ASKED_SECONDS),
        ("inf", endpoint.LONGEST_ASKED_SECONDS),
        ("Wed, 21 Oct 2026 07:28:00 GMT", None),
        ("soon", None),
        (None, None),
    ],
)
def test_the_asked_for_pause_is_read(header, seconds):
    headers = {"Retry-After": header} if header else {}
    script = Script(web.Response(status=503, headers=headers))

    answer = post(script, tries=1)

    assert answer.retry_after == seconds


def test_a_connection_that_breaks_off_is_tried_again():
    script = Script(None, 200)

    answer = post(script)

    assert answer.status == 200 and len(script.seen) == 2


def test_a_connection_that_always_breaks_off_is_unreachable():
    script = Script(None)

    with pytest.raises(EngineUnreachable, match="no endpoint of stub"):
        post(script, tries=3)

    assert len(script.seen) == 3


def test_a_server_that_is_not_there_is_waited_for(unused_url):
    async def main() -> tuple[bool, str]:
        async with started(http_engine(unused_url, tries=1)) as engine:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(ask(engine, "hello"), 0.3)
            asked = asyncio.create_task(ask(engine, "hello"))
            is_well = await engine.health()
            reason = engine.waits_for()
            asked.cancel()
            return is_well, reason

    is_well, reason = asyncio.run(main())

    assert not is_well
    assert reason == (
        f"waiting for an endpoint: {unused_url}: the connection is refused"
    )


@pytest.fixture
def unused_url() -> str:
    """A base URL nobody listens on any more."""

    async def main() -> str:
        async with answering(Script(200).reply) as base_url:
            return base_url

    return asyncio.run(main())


def test_another_endpoint_answers_when_one_is_down(unused_url):
    script = Script(200)

    async def main() -> list[Answer]:
        async with (
            answering(script.reply) as base_url,
            started(http_engine(f"{unused_url} {base_url}", tries=2)) as engine,
        ):
            return [await ask(engine, "hello") for _ in range(5)]

    answers = asyncio.run(main())

    assert [answer.status for answer in answers] == [200] * 5


def test_requests_are_spread_over_the_endpoints():
    seen: Counter[str] = Counter()

    async def slow(request: web.Request) -> web.StreamResponse:
        seen[request.host] += 1
        await asyncio.sleep(0.05)
        return web.json_response({})

    async def main() -> None:
        async with (
            answering(slow) as first,
            answering(slow) as second,
            started(http_engine(f"{first}, {second}/", prefix_bytes=0)) as engine,
        ):
            await asyncio.gather(*(ask(engine, "hello") for _ in range(10)))

    asyncio.run(main())

    assert sorted(seen.values()) == [5, 5]


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(status):
    away = web.Response(status=status, headers={"Location": "/v1/elsewhere"})
    script = Script(away, 200)

    answer = post(script)

    assert answer.status == status and len(script.seen) == 1


def test_a_response_larger_than_allowed_is_not_taken():
    script = Script(web.Response(body=b"x" * 5000))

    answer = post(script, max_response_bytes=1000)

    assert answer.status == 400 and b"larger than 1000 bytes" in answer.body
    assert len(script.seen) == 1


def test_a_response_as_large_as_allowed_is_taken():
    script = Script(web.Response(body=b"x" * 1000))

    answer = post(script, max_response_bytes=1000)

    assert answer == Answer(200, b"x" * 1000)


def test_a_compressed_response_is_measured_unpacked():
    packed = web.Response(body=b"x" * 100_000)
    packed.enable_compression(web.ContentCoding.gzip)

    answer = post(Script(packed), max_response_bytes=50_000)

    assert answer.status == 400


def test_a_server_that_takes_too_long_is_unreachable():
    async def never(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(600)
        return web.Response()

    async def main() -> None:
        async with engine_on(never, timeout=0.05, tries=1) as engine:
            await ask(engine, "hello")

    with pytest.raises(EngineUnreachable):
        asyncio.run(main())


def test_a_cancelled_request_is_aborted_at_the_server():
    async def main() -> bool:
        arrived, aborted = asyncio.Event(), asyncio.Event()

        async def wait(request: web.Request) -> web.StreamResponse:
            arrived.set()
            try:
                await asyncio.sleep(600)
            except asyncio.CancelledError:
                aborted.set()
                raise
            return web.Response()

        async with engine_on(wait) as engine:
            asked = asyncio.create_task(ask(engine, "hello"))
            await arrived.wait()
            asked.cancel()
            return await asyncio.wait_for(aborted.wait(), 30)

    assert asyncio.run(main())


def test_the_url_and_the_content_type_are_the_apis():
    script = Script(200)

    post(script)

    request = script.seen[0]
    assert (request.method, request.path) == ("POST", "/v1/chat/completions")
    assert request.headers["Content-Type"] == "application/json"
    assert "Authorization" not in request.headers


def test_the_key_comes_from_the_environment(monkeypatch):
    monkeypatch.setenv("ENDPOINT_KEY", "sk-theirs")
    script = Script(200)

    post(script, api_key_env="ENDPOINT_KEY")

    assert script.seen[0].headers["Authorization"] == "Bearer sk-theirs"


def test_health_asks_for_the_models():
    script = Script(web.Response(body=json.dumps({"data": []}).encode()))

    async def main() -> bool:
        async with engine_on(script.reply) as engine:
            return await engine.health()

    assert asyncio.run(main())
    assert (script.seen[0].method, script.seen[0].path) == ("GET", "/v1/models")
