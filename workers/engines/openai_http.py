"""An engine that is one or many OpenAI-compatible servers: `vllm serve`, or others.

aiohttp, because httpx costs about 5 ms of CPU a request (performance §1.1).
"""

import asyncio
import json
import os
import random
import time
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from vllm_batch.lib.logs import work
from workers.engines.base import (
    Answer,
    Engine,
    EngineStartFailed,
    EngineUnreachable,
    is_passing,
)

FIRST_WAIT_SECONDS = 0.25
LONGEST_WAIT_SECONDS = 30.0
HEALTH_SECONDS = 5.0


@dataclass(eq=False)
class Endpoint:
    """One server: how busy it is, and until when it is left alone."""

    base_url: str
    in_flight: int = 0
    rests_until: float = 0.0
    rest_seconds: float = FIRST_WAIT_SECONDS

    def rest(self) -> None:
        """Leave the endpoint alone for a while, longer each time."""
        self.rests_until = time.monotonic() + self.rest_seconds
        self.rest_seconds = min(2 * self.rest_seconds, LONGEST_WAIT_SECONDS)

    def recover(self) -> None:
        """Note that it answers."""
        self.rests_until, self.rest_seconds = 0.0, FIRST_WAIT_SECONDS


class OpenAIHttpEngine(Engine):
    """Spreads requests over `source`: base URLs that end in /v1, space-separated.

    `engine_args`: `concurrency` for each endpoint (64), `tries` (5), `timeout` and
    `connect_timeout` in seconds (600, 5), `max_response_bytes` (64 MiB), and
    `api_key_env`, the environment variable that holds the endpoints' key.
    """

    retries_itself = True

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        urls = self.source.replace(",", " ").split()
        self.endpoints = [Endpoint(url.rstrip("/")) for url in urls]
        self._per_endpoint = int(self.engine_args.get("concurrency", 64))
        self._tries = int(self.engine_args.get("tries", 5))
        self._most_bytes = int(self.engine_args.get("max_response_bytes", 1 << 26))
        self._session: aiohttp.ClientSession | None = None

    @property
    def concurrency(self) -> int:
        """The endpoints' concurrency, added up."""
        return self._per_endpoint * max(1, len(self.endpoints))

    async def start(self) -> None:
        """Open the connection pool; raises EngineStartFailed for a bad source."""
        for endpoint in self.endpoints:
            parts = urlsplit(endpoint.base_url)
            if parts.scheme not in ("http", "https") or not parts.netloc:
                raise EngineStartFailed(
                    f"'{endpoint.base_url}' is no base URL. Write the source of"
                    f" {self.model} like http://127.0.0.1:8000/v1."
                )
        if not self.endpoints:
            raise EngineStartFailed(f"The source of {self.model} names no base URL.")
        timeout = aiohttp.ClientTimeout(
            total=float(self.engine_args.get("timeout", 600)),
            connect=None,
            sock_connect=float(self.engine_args.get("connect_timeout", 5)),
        )
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=0, limit_per_host=2 * self.concurrency
            ),
            timeout=timeout,
            headers=self._headers(),
            auto_decompress=True,
        )

    def _headers(self) -> dict[str, str]:
        headers = {"Content-Type": "application/json"}
        if name := self.engine_args.get("api_key_env"):
            key = os.environ.get(str(name))
            if not key:
                raise EngineStartFailed(
                    f"The environment variable {name} is empty; it should hold the key"
                    f" for the endpoints of {self.model}."
                )
            headers["Authorization"] = f"Bearer {key}"
        return headers

    async def post(self, url: str, body: bytes) -> Answer:
        """Answer from the least busy endpoint; repeat what may pass (R50).

        429, 5xx and lost connections are tried again with growing, jittered
        waits, on another endpoint if there is one; the last try's answer counts.
        """
        answer: Answer | None = None
        attempt = 0
        while attempt < self._tries:
            if attempt:
                await asyncio.sleep(_wait(attempt, answer))
            attempt += 1
            answer = await self._try(url, body) or answer
            if answer is not None and not is_passing(answer.status):
                break
        if answer is None:
            raise EngineUnreachable(f"no endpoint of {self.model} answers", attempt)
        return replace(answer, attempts=attempt)

    async def _try(self, url: str, body: bytes) -> Answer | None:
        """Ask one endpoint once; None if it gave no answer."""
        endpoint = self._choose()
        endpoint.in_flight += 1
        try:
            answer = await self._post_once(endpoint, url, body)
        except (aiohttp.ClientError, TimeoutError, OSError):
            endpoint.rest()
            return None
        finally:
            endpoint.in_flight -= 1
        endpoint.recover()
        return answer

    def _choose(self) -> Endpoint:
        now = time.monotonic()
        return min(self.endpoints, key=lambda e: (e.rests_until > now, e.in_flight))

    async def _post_once(self, endpoint: Endpoint, url: str, body: bytes) -> Answer:
        target = endpoint.base_url + url.removeprefix("/v1")
        session = self._open_session()
        # The id of the call that made the batch; OpenAI's servers and others log it.
        headers = {"X-Client-Request-Id": id_} if (id_ := work.get().request_id) else {}
        async with session.post(
            target, data=body, headers=headers, allow_redirects=False
        ) as response:
            content = bytearray()
            async for block in response.content.iter_any():
                content += block
                if len(content) > self._most_bytes:
                    return Answer(400, _too_large(self._most_bytes))
            return Answer(
                response.status,
                bytes(content),
                _seconds(response.headers.get("Retry-After")),
            )

    def _open_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise EngineUnreachable(f"the engine of {self.model} is not started")
        return self._session

    async def health(self) -> bool:
        """Tell whether any endpoint lists its models."""
        checks = [self._is_well(endpoint) for endpoint in self.endpoints]
        return any(await asyncio.gather(*checks))

    async def _is_well(self, endpoint: Endpoint) -> bool:
        timeout = aiohttp.ClientTimeout(total=HEALTH_SECONDS)
        try:
            async with self._open_session().get(
                f"{endpoint.base_url}/models", timeout=timeout, allow_redirects=False
            ) as response:
                return response.status == 200
        except (aiohttp.ClientError, TimeoutError, OSError, EngineUnreachable):
            return False

    async def stop(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None


def _too_large(limit: int) -> bytes:
    text = (
        f"The engine's answer is larger than {limit} bytes. Ask for less (max_tokens,"
        " n, logprobs), or raise max_response_bytes of the model's engine_args."
    )
    return json.dumps({"error": {"message": text}}).encode()


def _seconds(header: str | None) -> float | None:
    """Return a Retry-After in seconds; dates are rare and read as none."""
    try:
        seconds = float(header or "nan")
    except ValueError:
        return None
    return min(seconds, LONGEST_WAIT_SECONDS) if seconds >= 0 else None


def _wait(attempt: int, answer: Answer | None) -> float:
    asked = answer.retry_after if answer else None
    grown: float = min(FIRST_WAIT_SECONDS * 2**attempt, LONGEST_WAIT_SECONDS)
    return max(asked or 0.0, grown * random.uniform(0.5, 1.0))  # noqa: S311 - jitter
