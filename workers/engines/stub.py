"""An engine for tests and first tries: its answers are written in the prompts.

Directives (contract/cases.md §2) stand at the start of the last user message, or of
`prompt`, `input` or `query`: ECHO, SLEEP, HTTP, VLLMERR, FLAKY, DROP, HTML502, SEP,
SURR, BODY. Two more are for fault tests: DIE kills the engine, HANG never ends and
stops its progress. Anything else is echoed.
"""

import asyncio
import json
import time
from collections import Counter
from typing import Any

from workers.engines.base import Answer, Engine, EngineDead, EngineUnreachable
from workers.engines.stub_loading import StubLoading

USAGE: dict[str, Any] = {
    "prompt_tokens": 7,
    "completion_tokens": 3,
    "total_tokens": 10,
    "prompt_tokens_details": {"cached_tokens": 2},
    "completion_tokens_details": {"reasoning_tokens": 1},
}
_RESPONSES_USAGE: dict[str, Any] = {
    "input_tokens": 7,
    "output_tokens": 3,
    "total_tokens": 10,
    "input_tokens_details": {"cached_tokens": 2},
    "output_tokens_details": {"reasoning_tokens": 1},
}
_EMBEDDING_USAGE = {"prompt_tokens": 7, "total_tokens": 7}
_VLLM_ERROR = {
    "error": {"message": "bad", "type": "BadRequestError", "param": None, "code": 400}
}
_SEPARATORS = "a\u2028b\u2029c\u0085d"


class Dropped(Exception):
    """The directive asks for a connection that breaks off in the middle."""


class Died(Exception):
    """The directive asks for an engine that is dead from now on."""


class StubAnswers:
    """Computes answers from prompts, and counts the calls for each prompt."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self.hanging = 0

    async def answer(self, url: str, body: bytes) -> Answer:
        """Follow the prompt's directive; raises Dropped."""
        try:
            request = json.loads(body)
            prompt = _prompt(request)
        except (LookupError, ValueError, TypeError, AttributeError, RecursionError):
            return _error(400, "the stub engine found no prompt in the body")
        if url not in _SHAPES:
            return Answer(404, b'{"detail":"Not Found"}')
        self.calls[prompt] += 1
        return await self._follow(url, request, prompt, body)

    async def _hang(self) -> None:
        self.hanging += 1
        try:
            await asyncio.Event().wait()
        finally:
            self.hanging -= 1

    async def _follow(
        self, url: str, request: dict[str, Any], prompt: str, body: bytes
    ) -> Answer:
        directive, _, rest = prompt.partition(" ")
        if directive == "SLEEP":
            seconds, _, rest = rest.partition(" ")
            await asyncio.sleep(float(seconds))
        elif directive == "DIE":
            raise Died
        elif directive == "HANG":
            await self._hang()
        elif directive == "FLAKY":
            status, times, rest = (rest + "  ").split(" ", 2)
            if self.calls[prompt] <= int(times):
                return _error(int(status), f"stub {status}")
            rest = rest.strip()
        elif directive == "BODY":
            rest = body.decode()
        elif directive != "ECHO":
            return _special(url, request, directive, rest, prompt)
        return _success(url, request, rest)


def _special(
    url: str, request: dict[str, Any], directive: str, rest: str, prompt: str
) -> Answer:
    if directive == "HTTP":
        return _error(int(rest), f"stub {rest}")
    if directive == "VLLMERR":
        return Answer(400, json.dumps(_VLLM_ERROR).encode())
    if directive == "DROP":
        raise Dropped
    if directive == "HTML502":
        return Answer(502, b"<html><body><h1>502 Bad Gateway</h1></body></html>")
    if directive == "SEP":
        return _success(url, request, _SEPARATORS)
    if directive == "SURR":
        placeholder = _success(url, request, "SURROGATE")
        return Answer(200, placeholder.body.replace(b"SURROGATE", rb"\ud83d"))
    return _success(url, request, prompt)


def _prompt(request: dict[str, Any]) -> str:
    """Return the text that carries the directive."""
    if "messages" in request:
        messages = [m for m in request["messages"] if m["role"] == "user"]
        return _text(messages[-1]["content"])
    for key in ("prompt", "input", "query", "queries", "text_1", "data_1"):
        if key in request:
            return _text(request[key])
    raise KeyError("prompt")


def _text(value: Any) -> str:
    """Return a string, the first string of a list, or the text of a content part."""
    if isinstance(value, list):
        value = value[-1] if value and isinstance(value[-1], dict) else value[0]
    if isinstance(value, dict):
        value = value.get("text") or value["content"]
    return str(value)


def _error(status: int, message: str) -> Answer:
    error = {
        "message": message,
        "type": "invalid_request_error",
        "param": None,
        "code": None,
    }
    return Answer(status, json.dumps({"error": error}).encode())


def _success(url: str, request: dict[str, Any], text: str) -> Answer:
    document = {"model": request.get("model"), **_SHAPES[url](request, text)}
    return Answer(200, json.dumps(document, ensure_ascii=False).encode())


def _chat(request: dict[str, Any], text: str) -> dict[str, Any]:
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return {
        "id": "chatcmpl-stub",
        "object": "chat.completion",
        "choices": [choice],
        "usage": USAGE,
    }


def _completion(request: dict[str, Any], text: str) -> dict[str, Any]:
    choice = {"index": 0, "text": text, "finish_reason": "stop"}
    return {
        "id": "cmpl-stub",
        "object": "text_completion",
        "choices": [choice],
        "usage": USAGE,
    }


def _embeddings(request: dict[str, Any], text: str) -> dict[str, Any]:
    inputs = request["input"] if isinstance(request["input"], list) else [text]
    data = [
        {"object": "embedding", "index": index, "embedding": [0.1, 0.2, 0.3]}
        for index in range(len(inputs))
    ]
    return {"object": "list", "data": data, "usage": _EMBEDDING_USAGE}


def _responses(request: dict[str, Any], text: str) -> dict[str, Any]:
    content = [{"type": "output_text", "text": text, "annotations": []}]
    output = [{"type": "message", "role": "assistant", "content": content}]
    return {
        "id": "resp-stub",
        "object": "response",
        "status": "completed",
        "output": output,
        "usage": _RESPONSES_USAGE,
    }


def _score(request: dict[str, Any], text: str) -> dict[str, Any]:
    data = [{"object": "score", "index": 0, "score": 0.5}]
    return {"object": "list", "data": data, "usage": _EMBEDDING_USAGE}


def _rerank(request: dict[str, Any], text: str) -> dict[str, Any]:
    results = [
        {"index": index, "document": {"text": document}, "relevance_score": 0.5}
        for index, document in enumerate(request.get("documents", []))
    ]
    return {"id": "rerank-stub", "results": results, "usage": _EMBEDDING_USAGE}


_SHAPES = {
    "/v1/chat/completions": _chat,
    "/v1/completions": _completion,
    "/v1/embeddings": _embeddings,
    "/v1/responses": _responses,
    "/v1/score": _score,
    "/v1/rerank": _rerank,
}


class StubEngine(Engine):
    """The stub in this process.

    `engine_args`: `concurrency` (default 64), and those of `stub_loading.py`.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.answers = StubAnswers()
        self.loading = StubLoading(self.model, self.engine_args)
        self._is_dead = False

    @property
    def concurrency(self) -> int:
        """As many as asked for; nothing is really computed."""
        return int(self.engine_args.get("concurrency", 64))

    async def start(self) -> None:
        """Load nothing, in the way the arguments say."""
        await self.loading.start()

    async def post(self, url: str, body: bytes) -> Answer:
        """Answer as the prompt says."""
        if self._is_dead:
            raise EngineDead("the stub is dead")
        if self.loading.asleep_at is not None:
            raise EngineDead("the stub is asleep")
        try:
            return await self.answers.answer(url, body)
        except Dropped:
            raise EngineUnreachable("the stub dropped the connection") from None
        except Died:
            self._is_dead = True
            raise EngineDead("the stub died of a request") from None

    async def health(self) -> bool:
        """Tell whether no request has killed it."""
        return not self._is_dead

    def progress(self) -> int | None:
        """Return a clock that stands still while a request hangs."""
        return 0 if self.answers.hanging else time.monotonic_ns()

    def gpu_share(self) -> float | None:
        """Return what the arguments say."""
        return self.loading.gpu_share

    def weight_bytes(self) -> int | None:
        """Return what the arguments say."""
        return self.loading.weight_bytes

    async def sleep(self, level: int) -> bool:
        """Sleep, if the arguments say that it can."""
        return await self.loading.sleep(level)

    async def wake(self) -> None:
        """Wake, unless the arguments say that it dies."""
        await self.loading.wake()

    async def stop(self) -> None:
        """Nothing has to be freed."""
