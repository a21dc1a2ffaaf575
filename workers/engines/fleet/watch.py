"""Looks after a fleet: who hangs, who is well again, what metrics say of it."""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from workers import metrics
from workers.engines.base import Answer, is_passing
from workers.engines.fleet.arguments import Arguments
from workers.engines.fleet.client import BREAK, BrokenOff, Client, NotReached
from workers.engines.fleet.endpoint import Endpoint
from workers.engines.fleet.members import Members
from workers.engines.fleet.pool import Pool
from workers.running.least_request import has_least_request, least_request

logger = logging.getLogger(__name__)

TICK_SECONDS = 0.2
# An endpoint that answered so recently needs no probe to be called well.
FRESH_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Found:
    """What a probe found; no `fault`: the endpoint works."""

    fault: str = ""
    retry_after: float | None = None
    # It has too much to do, but does it.
    is_busy: bool = False
    # The server is gone; its whole host is, so that nobody tells the lines out there.
    is_lost: bool = False
    is_cut_off: bool = False


def _read(answer: Answer) -> Found:
    if not is_passing(answer.status):
        return Found()
    fault = f"it answers {answer.status}"
    return Found(fault, answer.retry_after, is_busy=answer.status == 429)


class Watch:
    """Probes endpoints by real work: one that only looks alive is of no use."""

    def __init__(
        self,
        model: str,
        *,
        client: Client,
        pool: Pool,
        members: Members,
        arguments: Arguments,
    ) -> None:
        # Where lines went last: probes go there, too.
        self.url = ""
        self._model = model
        self._client = client
        self._pool = pool
        self._members = members
        self._arguments = arguments
        # When each one moved last, and how much the others had done by then.
        self._marks: dict[Endpoint, tuple[float, int]] = {}
        self._labels: set[str] = set()
        self._probes: set[asyncio.Task[Any]] = set()
        self._check: asyncio.Task[bool] | None = None

    async def run(self) -> None:
        """Look at everything a few times a second."""
        while True:
            try:
                self._look()
            except Exception:  # without it lines would wait for ever
                logger.exception("the watch over %s's endpoints failed", self._model)
            await asyncio.sleep(TICK_SECONDS)

    def _look(self) -> None:
        self._members.sweep()
        self._pool.refresh()
        now = time.monotonic()
        for endpoint in self._pool.endpoints:
            if endpoint.is_probed or endpoint.is_gone:
                continue
            if not endpoint.aside:
                if self._stands_still(endpoint, now):
                    self._spawn(endpoint, is_suspected=True)
            elif endpoint.probe_at <= now:
                self._spawn(endpoint)
        self._measure()

    async def stop(self) -> None:
        """End the probes that are out, and leave the metrics at nothing."""
        for task in self._probes:
            task.cancel()
        await asyncio.gather(*self._probes, return_exceptions=True)
        for label in self._labels:
            metrics.tell_endpoint(self._model, label, (0, 0, 0))

    def look_soon(self, endpoint: Endpoint) -> None:
        """Find out at once whether an endpoint is there whose connection broke."""
        if endpoint.is_lost:  # others knew before
            endpoint.lost_at = time.monotonic()
        elif not endpoint.aside:
            self._spawn(endpoint)

    async def is_any_well(self) -> bool:
        """Tell whether any endpoint works; asks them if that is not known."""
        now = time.monotonic()
        if any(now - one.good_at < FRESH_SECONDS for one in self._pool.open):
            return True
        if self._check is None or self._check.done():
            self._check = asyncio.create_task(self._examine_all())
            self._keep(self._check)
        return await asyncio.shield(self._check)

    async def _examine_all(self) -> bool:
        here = [one for one in self._pool.endpoints if not one.is_gone]
        return any(await asyncio.gather(*map(self.examine, here)))

    async def examine(self, endpoint: Endpoint) -> bool:
        """Give an endpoint the least work there is, and act on what it makes of it."""
        endpoint.is_probed = True
        found = Found("it does not answer")
        try:
            async with asyncio.timeout(self._arguments.stall_seconds):
                found = _read(await self._ask(endpoint))
        except NotReached as error:
            found = Found(str(error), is_lost=True, is_cut_off=not error.is_refused)
        except BrokenOff as error:
            if error.kind == BREAK:
                found = Found("the connection breaks off", is_lost=True)
        except TimeoutError:
            pass
        finally:
            endpoint.is_probed = False
        self._act(endpoint, found)
        self._pool.settle(endpoint)
        return not found.fault

    def _act(self, endpoint: Endpoint, found: "Found") -> None:
        if not found.fault:
            if endpoint.aside:
                logger.info("endpoint %s is well again", endpoint.target.base_url)
            endpoint.note_well()
        elif endpoint.aside:
            endpoint.probe_failed(found.fault, found.retry_after)
            if found.is_lost:
                endpoint.is_lost, endpoint.lost_at = True, time.monotonic()
        elif found.is_lost:
            self.set_aside(endpoint, found.fault, is_lost=True)
        if found.is_busy:
            endpoint.moved_at = time.monotonic()
        if found.is_cut_off:
            endpoint.take_back()

    def set_aside(
        self, endpoint: Endpoint, reason: str, *, is_lost: bool = False
    ) -> None:
        """Send nothing there any more, until it is well."""
        if not endpoint.aside:
            url = endpoint.target.base_url
            logger.warning("endpoint %s is set aside: %s", url, reason)
        endpoint.set_aside(reason, is_lost=is_lost)

    async def _ask(self, endpoint: Endpoint) -> Answer:
        if not has_least_request(self.url):
            return await self._client.models(endpoint.target)
        body = least_request(self.url, self._model)
        return await self._client.post(endpoint.target, self.url, body)

    def _stands_still(self, endpoint: Endpoint, now: float) -> bool:
        """Tell whether it finishes nothing while the others do twice what it has."""
        others = sum(one.done for one in self._pool.endpoints) - endpoint.done
        moved_at, before = self._marks.get(endpoint, (0.0, 0))
        if moved_at != endpoint.moved_at:
            self._marks[endpoint] = endpoint.moved_at, others
            return False
        is_late = now - moved_at > self._arguments.stall_seconds
        has_lines = endpoint.in_flight > 0
        return has_lines and is_late and others - before >= 2 * endpoint.in_flight

    async def _suspect(self, endpoint: Endpoint) -> None:
        moved_at = endpoint.moved_at
        if not await self.examine(endpoint) and endpoint.moved_at == moved_at:
            self.set_aside(endpoint, "it finishes nothing while others do")
            endpoint.take_back()
            self._pool.settle(endpoint)

    def _spawn(self, endpoint: Endpoint, *, is_suspected: bool = False) -> None:
        endpoint.is_probed = True
        work: Callable[[Endpoint], Coroutine[Any, Any, object]]
        work = self._suspect if is_suspected else self.examine
        self._keep(asyncio.create_task(work(endpoint)))

    def _keep(self, task: "asyncio.Task[Any]") -> None:
        self._probes.add(task)
        task.add_done_callback(self._probes.discard)

    def _measure(self) -> None:
        """Tell the metrics; several endpoints may share a label."""
        sums: dict[str, Counter[str]] = {label: Counter() for label in self._labels}
        for one in self._pool.endpoints:
            counts = sums.setdefault(one.label, Counter())
            counts["in_flight"] += one.in_flight
            counts["limit"] += int(one.limit) if one.is_open else 0
            counts["aside"] += bool(one.aside)
        self._labels = set(sums)
        for label, counts in sums.items():
            values = counts["in_flight"], counts["limit"], counts["aside"]
            metrics.tell_endpoint(self._model, label, values)
        here = set(self._pool.endpoints)
        self._marks = {one: mark for one, mark in self._marks.items() if one in here}
