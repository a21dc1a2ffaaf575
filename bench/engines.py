"""Engines that compute nothing, so that what is left is ours."""

import asyncio
import os
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import msgspec

from workers.engines.base import Answer, Engine

_TEXT = "summer river stone light quick slow green seven table window music paper " * 3
BODY = msgspec.json.encode(
    {
        "id": "chatcmpl-bench",
        "object": "chat.completion",
        "created": 0,
        "model": "bench",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": _TEXT},
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10},
    }
)


class _Body(msgspec.Struct):
    messages: list[dict[str, str]]
    max_tokens: int = 1


_decoder = msgspec.json.Decoder(_Body)


class Step(NamedTuple):
    """One step of an engine: how long, and how many requests were where."""

    seconds: float
    running: int
    waiting: int
    finished: int


class Counted:
    """An engine's `post`, counted while in the `with` block."""

    def __init__(self, engine: Any) -> None:
        self.posts = 0
        self.in_flight = 0
        self._engine = engine
        self._post: Callable[[str, bytes], Awaitable[Answer]] = engine.post

    def __enter__(self) -> "Counted":
        self._engine.post = self.post
        return self

    def __exit__(self, *error: object) -> None:
        del self._engine.post

    async def post(self, url: str, body: bytes) -> Answer:
        """Count and pass on."""
        self.posts += 1
        self.in_flight += 1
        try:
            return await self._post(url, body)
        finally:
            self.in_flight -= 1


class NullEngine(Engine):
    """Answers at once. `engine_args`: `concurrency` (256)."""

    @property
    def concurrency(self) -> int:
        """As vLLM's default for batches."""
        return int(self.engine_args.get("concurrency", 256))

    async def start(self) -> None:
        """Nothing to do."""

    async def post(self, url: str, body: bytes) -> Answer:
        """Answer after a turn of the event loop."""
        await asyncio.sleep(0)
        return Answer(200, BODY)

    async def stop(self) -> None:
        """Nothing to do."""


class _Job:
    def __init__(self, steps: int) -> None:
        self.left = steps
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()


class StepEngine(Engine):
    """Continuous batching without a model: every step each slot makes a token.

    `engine_args`: `slots` (64), `step_seconds` (0.01), and `log`, a file that gets the
    first word of each prompt when its request arrives.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.posts = 0
        self.on_step: Callable[[Step], None] | None = None
        self._waiting: deque[_Job] = deque()
        self._running: list[_Job] = []
        self._wake = asyncio.Event()
        self._loop: asyncio.Task[None] | None = None
        self._log: int | None = None

    @property
    def concurrency(self) -> int:
        """The slots."""
        return int(self.engine_args.get("slots", 64))

    async def start(self) -> None:
        """Start making steps."""
        if path := self.engine_args.get("log"):
            self._log = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        self._loop = asyncio.create_task(self._make_steps())

    async def _make_steps(self) -> None:
        seconds = float(self.engine_args.get("step_seconds", 0.01))
        clock = asyncio.get_running_loop().time
        while True:
            if not (self._waiting or self._running):
                self._wake.clear()
            began = clock()
            await self._wake.wait()
            while self._waiting and len(self._running) < self.concurrency:
                self._running.append(self._waiting.popleft())
            await asyncio.sleep(seconds)
            self._make_step(clock() - began)

    def _make_step(self, seconds: float) -> None:
        ran = len(self._running)
        for job in self._running:
            job.left -= 1
            if job.left <= 0 and not job.ended.done():
                job.ended.set_result(None)
        self._running = [job for job in self._running if not job.ended.done()]
        if self.on_step is not None:
            finished = ran - len(self._running)
            self.on_step(Step(seconds, ran, len(self._waiting), finished))

    async def post(self, url: str, body: bytes) -> Answer:
        """Answer after as many steps as the request asks for tokens."""
        request = _decoder.decode(body)
        self.posts += 1
        if self._log is not None:
            word = request.messages[-1]["content"].split(" ", 1)[0]
            os.write(self._log, word.encode() + b"\n")
        job = _Job(request.max_tokens)
        self._waiting.append(job)
        self._wake.set()
        try:
            await job.ended
        except asyncio.CancelledError:
            job.ended.cancel()
            raise
        return Answer(200, BODY)

    async def stop(self) -> None:
        """Stop making steps."""
        if self._loop is not None:
            self._loop.cancel()
        if self._log is not None:
            os.close(self._log)


class WaitEngine(Engine):
    """Waits as long as a GPU would compute, and costs next to no processor time.

    `engine_args`: `slots` (64), and `token_seconds` (0.02), the time of each token.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._free = asyncio.Semaphore(self.concurrency)
        self._each = float(self.engine_args.get("token_seconds", 0.02))

    @property
    def concurrency(self) -> int:
        """The slots."""
        return int(self.engine_args.get("slots", 64))

    async def start(self) -> None:
        """Nothing to do."""

    async def post(self, url: str, body: bytes) -> Answer:
        """Answer when the tokens that the request asks for have had their time."""
        tokens = _decoder.decode(body).max_tokens
        async with self._free:
            await asyncio.sleep(tokens * self._each)
        return Answer(200, BODY)

    async def stop(self) -> None:
        """Nothing to do."""
