"""Print what vLLM answers by its endpoint's function, and by its whole app.

`python -m tests.workers.engines.vllm_answers_probe FOLDER`: one JSON object a request.
"""

import asyncio
import json
import os
import sys
from typing import Any

CHAT = {"model": "tiny", "messages": [{"role": "user", "content": "Say hello"}]}
SCHEMA = {"type": "object", "properties": {"a": {"type": "boolean"}}, "required": ["a"]}
BODIES: dict[str, tuple[str, Any]] = {
    "chat": ("/v1/chat/completions", CHAT),
    "logprobs": ("/v1/chat/completions", CHAT | {"logprobs": True, "top_logprobs": 2}),
    "two": ("/v1/chat/completions", CHAT | {"n": 2, "temperature": 0.5}),
    "json": (
        "/v1/chat/completions",
        CHAT
        | {
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "s", "schema": SCHEMA},
            }
        },
    ),
    "completion": ("/v1/completions", {"model": "tiny", "prompt": ["One", "Two"]}),
    "other model": ("/v1/chat/completions", CHAT | {"model": "none"}),
    "wrong type": ("/v1/chat/completions", CHAT | {"messages": 7}),
    "out of range": ("/v1/chat/completions", CHAT | {"temperature": -1}),
    "too long": ("/v1/chat/completions", CHAT | {"max_tokens": 100_000}),
    "not an object": ("/v1/chat/completions", []),
    "no such endpoint": ("/v1/nothing", CHAT),
}


def _body_of(body: Any) -> bytes:
    if isinstance(body, dict):
        body = {
            "max_tokens": 8,
            "seed": 1,
            "temperature": 0,
            "ignore_eos": True,
            **body,
        }
    return json.dumps(body).encode()


async def _probe(folder: str) -> None:
    from workers.engines.vllm import VllmEngine
    from workers.engines.vllm_endpoints import Endpoints

    direct: list[str] = []
    call = Endpoints.call

    async def counted(self: Endpoints, url: str, body: bytes) -> Any:
        answer = await call(self, url, body)
        direct.append("none" if answer is None else "answered")
        return answer

    Endpoints.call = counted  # type: ignore[method-assign]
    args = {"max_model_len": 512, "enforce_eager": True}
    engine = VllmEngine(model="tiny", source=folder, engine_args=args)
    await engine.start()
    for name, (url, body) in BODIES.items():
        plain = await engine.post(url, _body_of(body))
        whole = await engine._ask(engine._app, url, _body_of(body))  # type: ignore[arg-type]
        report = {
            "name": name,
            "is_direct": direct[-1] == "answered",
            "direct": [plain.status, plain.body.decode()],
            "app": [whole.status, whole.body.decode()],
        }
        print("PROBE", json.dumps(report), flush=True)
    await engine.stop()


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "vllm_batch.settings")
    import django

    django.setup()
    asyncio.run(_probe(sys.argv[1]))
