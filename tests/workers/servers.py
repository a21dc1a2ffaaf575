"""Servers and engines that live in a test's own event loop, on any free port."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, TypeVar

from aiohttp import web

from tests.factories import CHAT, EMBEDDINGS, line
from workers.engines import make_engine
from workers.engines.base import Answer, Engine
from workers.stub_server import StubServer

T = TypeVar("T")
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
EngineMaker = Callable[[], AbstractAsyncContextManager[Engine]]


@asynccontextmanager
async def served(application: web.Application) -> AsyncIterator[str]:
    """Serve an application and yield its base URL."""
    runner = web.AppRunner(
        application, access_log=None, handler_cancellation=True, shutdown_timeout=0.1
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def answering(handler: Handler) -> AsyncIterator[str]:
    """Serve every request by one handler and yield the base URL."""
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", handler)
    async with served(application) as base_url:
        yield base_url


def http_engine(source: str, **engine_args: Any) -> Engine:
    """Build an openai_http engine over these base URLs."""
    return make_engine(
        "openai_http", model="stub", source=source, engine_args=engine_args
    )


def stub_engine(**engine_args: Any) -> Engine:
    """Build a stub engine."""
    return make_engine("stub", model="stub", source="", engine_args=engine_args)


@asynccontextmanager
async def in_process() -> AsyncIterator[Engine]:
    """The stub engine."""
    yield stub_engine()


@asynccontextmanager
async def over_http() -> AsyncIterator[Engine]:
    """The HTTP engine, with the stub's server behind it."""
    async with served(StubServer().application()) as base_url:
        yield http_engine(base_url, tries=1)


@asynccontextmanager
async def started(engine: Engine) -> AsyncIterator[Engine]:
    """Start an engine, and stop it at the end."""
    try:
        await engine.start()
        yield engine
    finally:
        await engine.stop()


def run(make: EngineMaker, work: Callable[[Engine], Coroutine[Any, Any, T]]) -> T:
    """Do work on a started engine, in a loop of its own."""

    async def main() -> T:
        async with make() as engine, started(engine):
            return await work(engine)

    return asyncio.run(main())


def body(content: str, url: str = CHAT) -> bytes:
    """Return the body of a request."""
    return json.dumps(line(content=content, url=url)["body"]).encode()


async def ask(engine: Engine, content: str, url: str = CHAT) -> Answer:
    """Post one prompt."""
    shape = EMBEDDINGS if url == EMBEDDINGS else CHAT
    return await engine.post(url, body(content, shape))


def text_of(answer: Answer) -> str:
    """Return what a chat answer says."""
    text: str = json.loads(answer.body)["choices"][0]["message"]["content"]
    return text
