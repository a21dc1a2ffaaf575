"""Who belongs to a fleet: endpoints come and go with what their names stand for."""

import asyncio
import itertools
import logging
from urllib.parse import urlsplit

from workers.engines.fleet.arguments import Arguments, Source
from workers.engines.fleet.discovery import Discovery, LookUpFailed
from workers.engines.fleet.endpoint import Endpoint, Target
from workers.engines.fleet.pool import Pool

logger = logging.getLogger(__name__)

# Addresses are without number over time; metrics have so many places for them.
MOST_LABELS = 64
OTHER = "other"


class Members:
    """Keeps a pool's endpoints as its sources have them."""

    def __init__(self, pool: Pool, sources: list[Source], arguments: Arguments) -> None:
        self._pool = pool
        self._sources = sources
        self._arguments = arguments
        self._discovery = Discovery(arguments.nameserver)
        self._known: dict[Source, list[Target]] = {}

    async def start(self) -> None:
        """Find the first endpoints; there may be none yet. Raises EngineStartFailed."""
        self._discovery.prepare(self._sources)
        await self.look()

    async def watch(self) -> None:
        """Look again and again, if anything can change."""
        while any(source.kind for source in self._sources):
            await asyncio.sleep(self._arguments.resolve_seconds)
            try:
                await self.look()
            except Exception:  # one strange answer does not end the looking
                logger.exception("looking for endpoints failed")

    async def look(self) -> None:
        """Ask for all names; one that cannot be asked for keeps what it had."""
        await asyncio.gather(*map(self._look_up, self._sources))
        wanted: dict[str, tuple[Source, Target]] = {}
        for source in self._sources:
            for target in self._known.get(source, ()):
                wanted.setdefault(target.base_url, (source, target))
        here = {one.target.base_url: one for one in self._pool.endpoints}
        for url, endpoint in here.items():
            if endpoint.is_gone != (url not in wanted):
                endpoint.is_gone = url not in wanted
                what = "is gone" if endpoint.is_gone else "is back"
                logger.info("endpoint %s %s", url, what)
        self.sweep()
        for url, (source, target) in wanted.items():
            if url not in here:
                self._add(source, target)
        self._pool.refresh()

    def sweep(self) -> None:
        """Drop what is gone, once the lines that are out there have ended."""
        for endpoint in list(self._pool.endpoints):
            if endpoint.is_gone and not endpoint.in_flight:
                self._pool.drop(endpoint)

    async def _look_up(self, source: Source) -> None:
        try:
            self._known[source] = await self._discovery.targets(source)
        except LookUpFailed as error:
            logger.warning("cannot look up %s; nothing changes", error)

    def _add(self, source: Source, target: Target) -> None:
        logger.info("endpoint %s is there", target.base_url)
        label = self._label(source)
        self._pool.add(Endpoint(target, self._arguments.concurrency, label))

    def _label(self, source: Source) -> str:
        """Return a name for metrics: of the source, with a number that is free."""
        parts = urlsplit(source.base_url)
        name = parts.netloc + parts.path.removesuffix("/v1")
        if not source.kind:
            return name
        taken = {endpoint.label for endpoint in self._pool.endpoints}
        if len(taken) >= MOST_LABELS:
            return OTHER
        labels = (f"{name}#{number}" for number in itertools.count())
        return next(label for label in labels if label not in taken)
