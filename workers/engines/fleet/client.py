"""HTTP to the endpoints of a fleet, by aiohttp: ADR 0011 has the measurement."""

import json
import resource
from contextlib import suppress
from urllib.parse import urlsplit

import aiohttp

from vllm_batch.lib.logs import work
from workers.engines.base import Answer, EngineUnreachable
from workers.engines.fleet.arguments import Arguments
from workers.engines.fleet.endpoint import LONGEST_ASKED_SECONDS, Target

# Shorter than the 5 s after which vLLM's server closes an idle connection: one that it
# closes while a request is on its way there looks like an endpoint that broke off.
KEEPALIVE_SECONDS = 4.0
# So many sockets and files this process may have, if its hard limit allows it.
MOST_FILES = 1 << 16
# Kinds of BrokenOff.
BREAK, TIMEOUT = "connection", "timeout"


class NotReached(Exception):
    """There was no connection: the endpoint never saw the request.

    `is_refused`: its host is there, so lines that are out there would know of a death.
    """

    def __init__(self, message: str, *, is_refused: bool) -> None:
        super().__init__(message)
        self.is_refused = is_refused


class BrokenOff(Exception):
    """The connection broke, or time was up, after the request was sent."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


class Client:
    """One pool of connections for a whole fleet."""

    def __init__(self, model: str, arguments: Arguments) -> None:
        self._model = model
        self._arguments = arguments
        self._session: aiohttp.ClientSession | None = None

    @property
    def is_open(self) -> bool:
        """Tell whether requests can be sent."""
        return self._session is not None

    def open(self) -> None:
        """Make the pool; how many requests there are at once is decided elsewhere."""
        _allow_files(MOST_FILES)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=0, keepalive_timeout=KEEPALIVE_SECONDS
            ),
            timeout=aiohttp.ClientTimeout(
                total=self._arguments.timeout,
                sock_connect=self._arguments.connect_timeout,
            ),
            # Nobody's cookies are kept, so none are sent to another endpoint.
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=True,
        )

    async def close(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def post(self, target: Target, url: str, body: bytes) -> Answer:
        """Ask one endpoint once; raises NotReached or BrokenOff if it gave no answer.

        Redirects are not followed: the key is the endpoint's and nobody else's.
        """
        return await self._request("POST", target, url, body)

    async def models(self, target: Target) -> Answer:
        """Ask an endpoint for its models."""
        return await self._request("GET", target, "/v1/models", None)

    async def _request(
        self, method: str, target: Target, url: str, body: bytes | None
    ) -> Answer:
        if self._session is None:
            raise EngineUnreachable(f"the engine of {self._model} is not started")
        try:
            async with self._session.request(
                method,
                target.base_url + url.removeprefix("/v1"),
                data=body,
                headers=_headers(target),
                server_hostname=urlsplit(f"//{target.host}").hostname,
                allow_redirects=False,
            ) as response:
                return await self._read(response)
        except aiohttp.ClientConnectorError as error:
            is_refused = isinstance(error.os_error, ConnectionRefusedError)
            why = "the connection is refused" if is_refused else "no connection"
            raise NotReached(why, is_refused=is_refused) from error
        except aiohttp.ConnectionTimeoutError as error:
            raise NotReached("no connection in time", is_refused=False) from error
        except TimeoutError as error:
            raise BrokenOff(TIMEOUT) from error
        except (aiohttp.ClientError, OSError) as error:
            raise BrokenOff(BREAK) from error

    async def _read(self, response: aiohttp.ClientResponse) -> Answer:
        most, content = self._arguments.max_response_bytes, bytearray()
        async for block in response.content.iter_any():
            content += block
            if len(content) > most:
                return Answer(400, _too_large(most))
        asked = _seconds(response.headers.get("Retry-After"))
        return Answer(response.status, bytes(content), asked)


def _headers(target: Target) -> dict[str, str]:
    headers = {"Content-Type": "application/json"}
    if target.authorization:
        headers["Authorization"] = target.authorization
    if target.host:
        headers["Host"] = target.host
    # The id of the call that made the batch; OpenAI's servers and others log it.
    if id_ := work.get().request_id:
        headers["X-Client-Request-Id"] = id_
    return headers


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
    return min(seconds, LONGEST_ASKED_SECONDS) if seconds >= 0 else None


def _allow_files(wanted: int) -> None:
    """Raise the limit on open files as far as it may be: each socket is one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < allowed:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
