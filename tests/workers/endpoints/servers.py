"""Endpoints that do as they are told, in a test's own loop or as real processes."""

import asyncio
import json
import os
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import web

from tests.rig.process import Process
from tests.workers.servers import ask, http_engine, started, text_of
from workers.engines.base import Answer, Engine
from workers.engines.stub import StubAnswers

PROBE = "Hi"
PLAY = "from workers.stub_server import serve; import asyncio, sys"


class Server:
    """Answers as the stub does, unless `refuse` returns another answer for a prompt."""

    def __init__(self) -> None:
        self.refuse: Callable[[str], web.Response | None] = lambda prompt: None
        self.hangs = False
        self.seconds = 0.0
        self.prompts: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.in_flight = self.most = 0
        self.url = ""
        self._answers = StubAnswers()

    @property
    def lines(self) -> Counter[str]:
        """How often each prompt came, without the probes'."""
        return Counter(prompt for prompt in self.prompts if prompt != PROBE)

    @property
    def probes(self) -> int:
        """How many probes came."""
        return self.prompts.count(PROBE)

    async def reply(self, request: web.Request) -> web.StreamResponse:
        """Answer one request."""
        if request.method == "GET":
            return web.json_response({"data": []})
        body = await request.read()
        prompt = json.loads(body)["messages"][-1]["content"]
        self.prompts.append(prompt)
        self.headers.append(dict(request.headers))
        self.in_flight += 1
        self.most = max(self.most, self.in_flight)
        try:
            while self.hangs:
                await asyncio.sleep(0.01)
            if (refusal := self.refuse(prompt)) is not None:
                return refusal
            if prompt != PROBE:
                await asyncio.sleep(self.seconds)
            answer = await self._answers.answer(request.path, body)
        finally:
            self.in_flight -= 1
        return web.Response(status=answer.status, body=answer.body)

    async def listen(
        self, stack: AsyncExitStack, host: str = "127.0.0.1", port: int = 0
    ) -> None:
        """Listen until the stack closes."""
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", self.reply)
        runner = web.AppRunner(
            application,
            access_log=None,
            handler_cancellation=True,
            shutdown_timeout=0.1,
        )
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, host, port).start()
        self.url = f"http://{host}:{runner.addresses[0][1]}/v1"

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.url.removesuffix("/v1").rpartition(":")[2])


@asynccontextmanager
async def fleet_of(
    count: int, source: str = "", **engine_args: Any
) -> AsyncIterator[tuple[Engine, list[Server]]]:
    """Yield a started engine on some servers."""
    async with AsyncExitStack() as stack:
        servers = [Server() for _ in range(count)]
        for server in servers:
            await server.listen(stack)
        source = source or " ".join(server.url for server in servers)
        engine = http_engine(source, **engine_args)
        yield await stack.enter_async_context(started(engine)), servers


async def ask_all(engine: Engine, prompts: list[str]) -> list[Answer]:
    """Post them all at once."""
    return await asyncio.gather(*(ask(engine, prompt) for prompt in prompts))


def numbered(count: int, text: str = "line") -> list[str]:
    """Return so many different prompts."""
    return [f"ECHO {text} {number}" for number in range(count)]


def texts_of(answers: list[Answer]) -> list[str]:
    """Return what each answer says, as a prompt for it would."""
    return [f"ECHO {text_of(answer)}" for answer in answers]


def state_of(engine: Engine, server: Server) -> dict[str, Any]:
    """Return what the engine reports of a server."""
    return next(row for row in engine.report() if row["endpoint"] == server.url)


async def until(is_true: Callable[[], object], seconds: float = 30) -> None:
    """Wait for something to come true."""
    async with asyncio.timeout(seconds):
        while not is_true():
            await asyncio.sleep(0.01)


def status(code: int, **headers: str) -> Callable[[str], web.Response]:
    """Refuse everything with this status."""
    return lambda prompt: web.Response(status=code, headers=headers)


class StubProcess:
    """The stub's server as a real process, which can be killed and started again."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder, self._name = folder, name
        self.port = 0
        self.process: Process | None = None

    def start(self) -> "StubProcess":
        """Start it, on the port it had."""
        code = f"{PLAY}; asyncio.run(serve('127.0.0.1', {self.port}))"
        self.process = Process(
            self._name,
            [sys.executable, "-c", code],
            env=os.environ,
            log=self._folder / f"{self._name}.log",
        ).start()
        found = self.process.wait_for(r"stub engine on \S+:(\d+)")
        self.port = int(found[1])
        return self

    @property
    def url(self) -> str:
        """Its base URL."""
        return f"http://127.0.0.1:{self.port}/v1"

    def kill(self) -> None:
        """End it as `kill -9` does, and wait until it is gone."""
        assert self.process is not None
        self.process.kill()
        assert self.process.popen is not None
        self.process.popen.wait()
