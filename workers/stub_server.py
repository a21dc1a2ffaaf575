"""The stub engine as an OpenAI-compatible HTTP server, in place of `vllm serve`."""

import asyncio
import os
import signal

from aiohttp import web

from workers.engines.stub import Died, Dropped, StubAnswers

MODELS = ("stub", "stub-2")
LARGEST_BODY_BYTES = 1 << 28


class StubServer:
    """Serves every POST below /v1 from `StubAnswers`."""

    def __init__(self) -> None:
        self.answers = StubAnswers()

    def application(self) -> web.Application:
        """Return the routes."""
        app = web.Application(client_max_size=LARGEST_BODY_BYTES)
        app.router.add_get("/v1/models", self.models)
        app.router.add_get("/_calls", self.calls)
        app.router.add_post("/{path:.*}", self.post)
        return app

    async def models(self, request: web.Request) -> web.Response:
        """List the models."""
        data = [{"id": name, "object": "model"} for name in MODELS]
        return web.json_response({"object": "list", "data": data})

    async def calls(self, request: web.Request) -> web.Response:
        """Return how often each prompt was sent."""
        return web.json_response(self.answers.calls)

    async def post(self, request: web.Request) -> web.StreamResponse:
        """Answer one request."""
        body = await request.read()
        try:
            answer = await self.answers.answer(request.path, body)
        except Dropped:
            return await _drop(request)
        except Died:
            os._exit(1)
        is_html = answer.body.startswith(b"<")
        return web.Response(
            status=answer.status,
            body=answer.body,
            content_type="text/html" if is_html else "application/json",
        )


async def _drop(request: web.Request) -> web.StreamResponse:
    """Close the connection halfway through the body."""
    response = web.StreamResponse(headers={"Content-Length": "1000"})
    await response.prepare(request)
    await response.write(b'{"id": "half')
    if request.transport is not None:
        request.transport.abort()
    return response


async def serve(host: str, port: int) -> None:
    """Serve until SIGTERM or SIGINT; says where once it listens."""
    runner = web.AppRunner(
        StubServer().application(),
        access_log=None,
        handler_cancellation=True,
        shutdown_timeout=1,
    )
    await runner.setup()
    site = web.TCPSite(runner, host, port)
    await site.start()
    bound = runner.addresses[0]
    print(f"stub engine on http://{bound[0]}:{bound[1]}", flush=True)  # noqa: T201
    ended = asyncio.Event()
    for signum in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signum, ended.set)
    await ended.wait()
    await runner.cleanup()
