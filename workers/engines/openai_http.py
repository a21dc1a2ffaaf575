"""An engine that is one or many OpenAI-compatible servers: `vllm serve`, or others.

place ─▶ send ─▶ answer           pool.py: which endpoint has room, prompts' starts
  ▲        │ failed, lost         endpoint.py: how much each one takes
  └────────┘ line.py: whose       watch.py: who hangs, who is back; members.py: who is
             fault it is          there at all
"""

import asyncio
from typing import Any

from workers.engines.base import Answer, Engine, EngineUnreachable
from workers.engines.fleet.arguments import Arguments, read_arguments, read_sources
from workers.engines.fleet.client import Client
from workers.engines.fleet.members import Members
from workers.engines.fleet.pool import Pool
from workers.engines.fleet.sender import Sender
from workers.engines.fleet.watch import Watch


class OpenAIHttpEngine(Engine):
    """Spreads requests over `source`: base URLs that end in /v1, space-separated.

    `dns+` or `dnssrv+` in front of one stands for all servers under that name.
    `engine_args`: the fields of `fleet/arguments.py`, `base_urls` for a list that is
    too long for `source`, and `api_key_env`: the environment variable with the
    endpoints' key, or a table from base URL to variable.
    """

    retries_itself = True

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._arguments = Arguments()
        self._pool = Pool()
        self._client: Client | None = None
        self._watch: Watch | None = None
        self._sender: Sender | None = None
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def concurrency(self) -> int:
        """The endpoints' concurrency, added up; it grows and shrinks with the fleet."""
        here = [one for one in self._pool.endpoints if not one.is_gone]
        return self._arguments.concurrency * max(1, len(here))

    async def start(self) -> None:
        """Find the endpoints; raises EngineStartFailed for a bad source or argument."""
        given = self.engine_args
        self._arguments = arguments = read_arguments(self.model, given)
        sources = read_sources(self.model, self.source, given)
        members = Members(self._pool, sources, arguments)
        await members.start()
        self._client = Client(self.model, arguments)
        self._client.open()
        parts: Any = {
            "client": self._client,
            "pool": self._pool,
            "arguments": arguments,
        }
        self._watch = Watch(self.model, members=members, **parts)
        self._sender = Sender(self.model, watch=self._watch, **parts)
        loops = (self._watch.run(), members.watch())
        self._tasks = [asyncio.create_task(loop) for loop in loops]

    async def post(self, url: str, body: bytes) -> Answer:
        """Answer from the endpoint whose turn it is; see `Sender.post`."""
        if self._sender is None:
            raise EngineUnreachable(f"the engine of {self.model} is not started")
        return await self._sender.post(url, body)

    async def health(self) -> bool:
        """Tell whether any endpoint does real work."""
        return self._watch is not None and await self._watch.is_any_well()

    def waits_for(self) -> str:
        """Say why lines wait, if no endpoint may be used."""
        if self._pool.open or not self._pool.waiting:
            return ""
        reasons = [
            f"{one.target.base_url}: {one.aside or 'it asked for a pause'}"
            for one in self._pool.endpoints
        ]
        return f"waiting for an endpoint: {'; '.join(reasons) or 'there is none'}"

    def report(self) -> list[dict[str, Any]]:
        """Return what is known of each endpoint."""
        return [
            {
                "endpoint": one.target.base_url,
                "state": one.state,
                "in_flight": one.in_flight,
                "limit": int(one.limit),
                "done": one.done,
                "errors": one.errors,
            }
            for one in self._pool.endpoints
        ]

    async def stop(self) -> None:
        """Close all connections."""
        self._sender = None
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        if self._watch is not None:
            await self._watch.stop()
        if self._client is not None:
            await self._client.close()
