"""Lines to replicas: where each one goes, and what becomes of it if that one is lost.

post ─▶ waiting ─▶ link with room, by the prompt's start ─▶ answer
            ▲                       │ lost
            ├── the first time ─────┤
            │                       ▼ the second time
            └── innocent ◀── healing: small parts, alone on one replica ──▶ poison
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable

from workers.engines.base import (
    Answer,
    EngineDead,
    EngineError,
    EngineStartFailed,
    PoisonRequest,
)
from workers.engines.ray.lines import Line
from workers.engines.ray.link import Link
from workers.engines.ray.routing import Homes
from workers.running import healing
from workers.running.least_request import least_request

logger = logging.getLogger(__name__)

# Losing its replica once is bad luck: a node goes away. From here on a line is suspect.
SUSPICIOUS_LOSSES = 2
POLL_SECONDS = 0.02
Result = Answer | EngineError | None


class ReplicaLeft(EngineError):
    """It was given up while a trial ran: that says nothing about the line."""


class Dispatcher:
    """Holds the lines of one engine, and the links to the replicas that are ready."""

    def __init__(self, model: str, on_loss: Callable[[Link, str], None]) -> None:
        self.links: list[Link] = []
        self.death: EngineDead | None = None
        self._model = model
        self._on_loss = on_loss
        self._homes = Homes()
        self._waiting: deque[Line] = deque()
        # Lines that lost several replicas, and those of them that are tried now.
        self._suspects: list[Line] = []
        self._on_trial: list[Line] = []
        # The replica that suspects are tried on, and who tries them.
        self._ward: Link | None = None
        self._healer: asyncio.Task[None] | None = None

    @property
    def load(self) -> int:
        """How many lines there are, at replicas and waiting for one."""
        waiting = len(self._waiting) + len(self._suspects) + len(self._on_trial)
        return waiting + sum(link.load for link in self.links)

    def add(self, line: Line) -> None:
        """Send a line as soon as there is room; raises EngineDead."""
        if self.death is not None:
            raise self.death
        self._waiting.append(line)
        self.pump()

    def give_up(self, line: Line) -> None:
        """Abort a line that nobody waits for."""
        if not line.future.cancel() and not line.future.cancelled():
            line.future.exception()  # seen, so that asyncio does not complain
        if line.trial is not None:
            self.give_up(line.trial)
        if line.link is not None:
            line.link.give_up(line)
            self.pump()

    def open(self, link: Link) -> None:
        """Use a replica that has come up."""
        self.links.append(link)
        self.pump()

    def pump(self) -> None:
        """Send what waits, as far as there is room."""
        while self._waiting:
            if self._waiting[0].is_over:
                self._waiting.popleft()
                continue
            seats = [link for link in self.links if link.is_open]
            link = self._homes.choose(self._waiting[0].keys, seats)
            if link is None:
                return
            link.send(self._waiting.popleft())

    def lose(self, link: Link, why: str) -> None:
        """Take back the lines of a replica: it died of `why`, or it just leaves."""
        self.links.remove(link)
        self._homes.forget(link)
        again = []
        for line in link.take():
            line.losses += bool(why)
            if line.is_trial:
                line.finish(EngineDead(why) if why else ReplicaLeft())
            elif line.losses >= SUSPICIOUS_LOSSES:
                self._suspects.append(line)
            else:
                again.append(line)
        if why:
            logger.warning(
                "a replica of %s on %s is lost: %s; %d lines are sent again",
                self._model, link.facts.node, why, len(again),
            )  # fmt: skip
        self._waiting.extendleft(reversed(again))
        self.pump()
        self._on_loss(link, why)
        if self._suspects and self._healer is None:
            self._healer = asyncio.ensure_future(self._heal())

    def die(self, death: EngineDead) -> None:
        """Give all lines back: no replica can be had, or each one dies of anything."""
        self.death = death
        lines = [*self._waiting, *self._suspects, *self._on_trial]
        for link in self.links:
            lines += link.take()
        self._waiting.clear()
        self._suspects.clear()
        for line in lines:
            line.finish(death)

    async def close(self) -> None:
        """End the healing and all links."""
        self.die(self.death or EngineDead(f"the engine of {self._model} is stopped"))
        if self._healer is not None:
            self._healer.cancel()
            await asyncio.gather(self._healer, return_exceptions=True)
        for link in list(self.links):
            link.end()

    async def _heal(self) -> None:
        """Find the lines that kill replicas; all others go on meanwhile."""
        try:
            while self._suspects:
                self._on_trial, self._suspects = self._suspects, []
                await healing.replay(
                    healing.in_parts(self._on_trial),
                    play=self._play,
                    rebuild=_leave_to_replicas,
                    check=self._check,
                    settle=_settle,
                    blame=_blame,
                )
        except EngineStartFailed as error:
            self.die(EngineDead(str(error)))
        except Exception:  # lines must not wait for a healer that is gone
            logger.exception("healing failed")
            self.die(EngineDead("healing failed; see the worker's log"))
        finally:
            self._healer, self._on_trial = None, []
            if self._ward is not None and self._ward in self.links:
                self._ward.is_open = not self._ward.is_retired
            self._ward = None
            self.pump()

    async def _play(self, part: list[Line]) -> list[Result]:
        """Run a part with nothing else on its replica."""
        ward = await self._quiet_link()
        return await asyncio.gather(*(self._try(ward, line) for line in part))

    async def _try(self, ward: Link, line: Line) -> Result:
        """Return what became of a line's trial; None if nobody waits for the line."""
        while not line.is_over:
            trial = line.trial = Line(line.url, line.body, is_trial=True)
            ward.send(trial)
            try:
                await asyncio.wait({trial.future})
            finally:
                line.trial = None
            if trial.future.cancelled():
                return None
            error = trial.future.exception()
            if error is None:
                return trial.future.result()
            if isinstance(error, EngineError) and not isinstance(error, ReplicaLeft):
                return error
            ward = await self._quiet_link()
        return None

    async def _check(self, url: str) -> None:
        """Raise EngineStartFailed if a replica dies of the smallest request too."""
        line = Line(url, least_request(url, self._model))
        if isinstance(
            death := await self._try(await self._quiet_link(), line), EngineDead
        ):
            raise EngineStartFailed(
                f"replicas of {self._model} start, and die of any request ({death});"
                " see the worker's log"
            )

    async def _quiet_link(self) -> Link:
        """Return a replica that has nothing to do, and gets nothing else meanwhile."""
        while True:
            if self._ward not in self.links:
                self._ward = min(
                    (link for link in self.links if link.is_open),
                    key=lambda link: link.load,
                    default=None,
                )
            if self._ward is not None:
                self._ward.is_open = False
                if not self._ward.load:
                    return self._ward
            await asyncio.sleep(POLL_SECONDS)


async def _leave_to_replicas(death: EngineDead) -> None:
    """Wait for nothing: a lost replica is being replaced, and others may be there."""


def _settle(line: Line, result: Result) -> None:
    if result is not None:
        line.finish(result)


def _blame(line: Line) -> None:
    line.finish(PoisonRequest("replicas died each time this request ran alone"))
