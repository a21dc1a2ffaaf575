"""What clients were answered, and a client that notes it."""

import json
import math
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Self

import aiohttp

OK = frozenset({200})
PATIENCE = aiohttp.ClientTimeout(total=60)
# nginx closes after 30 s: a client that hangs up first never meets a closing one.
KEEPALIVE_SECONDS = 15


@dataclass(frozen=True)
class Call:
    """One request: its route, what came of it, and after how many seconds.

    `outcome` is a status, or the name of what went wrong; `is_good` that it was wanted.
    """

    route: str
    outcome: str
    seconds: float
    is_good: bool


@dataclass
class Calls:
    """All requests of a stage, and the contents that were not what was stored."""

    all: list[Call] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def percentile(self, percent: float, route: str = "") -> float:
        """Return the seconds within which so many percent were answered; 0 if none."""
        found = sorted(c.seconds for c in self.all if route in ("", c.route))
        place = math.ceil(len(found) * percent / 100) - 1
        return found[max(place, 0)] if found else 0.0

    def faults(self) -> Counter[str]:
        """Count what nobody wanted, by outcome."""
        return Counter(call.outcome for call in self.all if not call.is_good)

    def of(self, *outcomes: str) -> int:
        """Count the requests with one of these outcomes."""
        return sum(call.outcome in outcomes for call in self.all)

    def routes(self) -> list[str]:
        """Return the routes that were asked for."""
        return sorted({call.route for call in self.all}, key=lambda r: r.split()[::-1])


class Caller:
    """A client with an address and a key of its own."""

    def __init__(self, base_url: str, address: str, key: str, calls: Calls) -> None:
        self.calls = calls
        self._base_url = base_url
        self._headers = {"Authorization": f"Bearer {key}"}
        self._address = address

    async def __aenter__(self) -> Self:
        connector = aiohttp.TCPConnector(
            local_addr=(self._address, 0), keepalive_timeout=KEEPALIVE_SECONDS
        )
        self._http = aiohttp.ClientSession(
            connector=connector, headers=self._headers, timeout=PATIENCE
        )
        return self

    async def __aexit__(self, *details: object) -> None:
        await self._http.close()

    async def ask(
        self,
        route: str,
        of: str = "",
        *,
        query: str = "",
        wanted: frozenset[int] = OK,
        **details: Any,
    ) -> bytes | None:
        """Send `METHOD /path`, `{id}` being `of`; return a 200's body, else None."""
        method, _, path = route.partition(" ")
        url = self._base_url + path.replace("{id}", of) + query
        started = time.perf_counter()
        try:
            async with self._http.request(method, url, **details) as answer:
                content = await answer.read()
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            self._note(route, type(error).__name__, started, is_good=False)
            return None
        outcome = outcome_of(answer.status, answer.headers, content)
        self._note(route, outcome, started, is_good=answer.status in wanted)
        return content if answer.status == 200 else None

    async def ask_json(self, route: str, of: str = "", **details: Any) -> Any:
        """Do the same and return what the body says, or None."""
        content = await self.ask(route, of, **details)
        return None if content is None else json.loads(content)

    async def upload(self, content: bytes, purpose: str) -> str | None:
        """Upload a file and return its id, or None."""
        form = aiohttp.FormData()
        form.add_field("purpose", purpose)
        form.add_field("file", content, filename="in.jsonl")
        stored = await self.ask_json("POST /files", data=form)
        return stored and str(stored["id"])

    def _note(self, route: str, outcome: str, started: float, *, is_good: bool) -> None:
        seconds = time.perf_counter() - started
        self.calls.all.append(Call(route, outcome, seconds, is_good))


def outcome_of(status: int, headers: Any, content: bytes) -> str:
    """Return the status, and what an error answer lacks."""
    if status < 400:
        return str(status)
    lacks = "" if _is_envelope(content) else " without envelope"
    if status in (429, 503) and "Retry-After" not in headers:
        lacks += " without Retry-After"
    return f"{status}{lacks}"


def _is_envelope(content: bytes) -> bool:
    try:
        error = json.loads(content)["error"]
        return {"message", "type", "param", "code"} <= set(error.keys())
    except (ValueError, LookupError, TypeError, AttributeError):
        return False
