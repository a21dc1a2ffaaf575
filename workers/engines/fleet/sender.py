"""Send a line to one endpoint after the other, until it is answered or to blame."""

import asyncio
import random
import time
from dataclasses import replace
from typing import cast

from batches.ordering import Traits
from workers import metrics
from workers.engines.base import (
    Answer,
    EngineUnreachable,
    PoisonRequest,
    is_passing,
)
from workers.engines.fleet import endpoint as pauses
from workers.engines.fleet.arguments import Arguments
from workers.engines.fleet.client import BREAK, BrokenOff, Client, NotReached
from workers.engines.fleet.endpoint import Endpoint
from workers.engines.fleet.line import Failure, Line, Verdict
from workers.engines.fleet.pool import Pool
from workers.engines.fleet.watch import Watch

# Loading a model again may take as long.
SUSPECT_SECONDS = 300.0


class TakenBack(Exception):
    """The line was called back from an endpoint that hangs."""


class Sender:
    """Sends one line at a time for each coroutine that calls `post`."""

    def __init__(
        self,
        model: str,
        *,
        client: Client,
        pool: Pool,
        watch: Watch,
        arguments: Arguments,
    ) -> None:
        self._model = model
        self._client = client
        self._pool = pool
        self._watch = watch
        self._arguments = arguments

    async def post(self, url: str, body: bytes) -> Answer:
        """Return the first answer that would be the same the next time, or the last.

        A failure that is not the line's is repeated elsewhere, at once if there is
        another endpoint, for as long as its batch waits (R50, R51). Raises
        EngineUnreachable if only this line breaks off, PoisonRequest if it ends the
        endpoints that it runs on.
        """
        self._watch.url = url
        line = Line(self._key_of(url, body))
        while True:
            endpoint = await self._pool.place(line)
            try:
                answer, verdict = None, line.judge(self._arguments.tries)
                if verdict is Verdict.OPEN:
                    answer = await self._try(endpoint, line, url, body)
            finally:
                self._pool.give_back(endpoint)
            if answer is not None:
                return replace(answer, attempts=line.sent)
            if verdict is Verdict.OPEN:
                verdict = await self._reconsider(line)
            if verdict is not Verdict.OPEN:
                return self._end(line, verdict)
            await self._pause(line)

    def _key_of(self, url: str, body: bytes) -> bytes:
        if not self._arguments.prefix_bytes or len(self._pool.endpoints) < 2:
            return b""
        prompt = Traits(url, body, fold=False).prompt
        return prompt[: self._arguments.prefix_bytes]

    async def _try(
        self, endpoint: Endpoint, line: Line, url: str, body: bytes
    ) -> Answer | None:
        """Ask one endpoint once; None, and noted, if another try may end otherwise."""
        sent_at = time.monotonic()
        try:
            answer = await self._ask(endpoint, url, body)
        except NotReached as error:
            self._count(endpoint, "connection")
            self._watch.set_aside(endpoint, str(error), is_lost=True)
            line.avoided.add(endpoint)
            return None
        except TakenBack:
            line.avoided.add(endpoint)
            return None
        except BrokenOff as error:
            self._fail(endpoint, line, sent_at, error.kind)
            if error.kind == BREAK:
                self._watch.look_soon(endpoint)
            return None
        if is_passing(answer.status):
            line.answer = answer
            kind = "throttled" if answer.status == 429 else "server_error"
            self._fail(endpoint, line, sent_at, kind, retry_after=answer.retry_after)
            return None
        line.sent += 1
        endpoint.note_good()
        return answer

    async def _ask(self, endpoint: Endpoint, url: str, body: bytes) -> Answer:
        """Post to an endpoint; raises TakenBack if the watch calls its lines back."""
        task = cast("asyncio.Task[object]", asyncio.current_task())
        endpoint.tries.add(task)
        try:
            return await self._client.post(endpoint.target, url, body)
        except asyncio.CancelledError:
            # Its batch may have been cancelled in the same moment.
            if task not in endpoint.taken_back or task.uncancel():
                raise
            raise TakenBack from None
        finally:
            endpoint.tries.discard(task)
            endpoint.taken_back.discard(task)

    def _fail(
        self,
        endpoint: Endpoint,
        line: Line,
        sent_at: float,
        kind: str,
        *,
        retry_after: float | None = None,
    ) -> None:
        """Note a failure with the endpoint and with the line."""
        self._count(endpoint, kind)
        is_first = not line.failures
        if endpoint.note_failure(is_first=is_first, retry_after=retry_after):
            self._watch.set_aside(endpoint, "it answers with errors only")
        was_alone = endpoint.in_flight == 1 and endpoint.shared_at < sent_at
        line.sent += 1
        line.avoided.add(endpoint)
        line.failures.append(
            Failure(
                endpoint,
                time.monotonic(),
                endpoint.failing,
                was_alone,
                is_break=kind == BREAK,
            )
        )

    def _count(self, endpoint: Endpoint, kind: str) -> None:
        metrics.ENDPOINT_ERRORS.labels(self._model, endpoint.label, kind).inc()

    async def _reconsider(self, line: Line) -> Verdict:
        """Judge a line that has just failed; ask whether its endpoint is there."""
        verdict = line.judge(self._arguments.tries)
        if verdict is Verdict.FAILED and line.failures[-1].is_break:
            await self._watch.examine(line.failures[-1].endpoint)
            verdict = line.judge(self._arguments.tries)
        return verdict

    async def _pause(self, line: Line) -> None:
        """Wait longer each time, unless there is an endpoint it did not fail at."""
        if line.is_suspect:
            await self._let_recover(line.failures[-1])
        if any(one not in line.avoided for one in self._pool.open):
            return
        line.avoided.clear()
        if line.failures:
            await asyncio.sleep(_wait(len(line.failures)))

    async def _let_recover(self, failure: Failure) -> None:
        """Wait for what a suspect was lost with: it tells more than another victim."""
        ends_at = failure.at + SUSPECT_SECONDS
        while not (failure.has_recovered or failure.endpoint.is_gone):
            if time.monotonic() > ends_at:
                return
            await asyncio.sleep(pauses.FIRST_WAIT_SECONDS)

    def _end(self, line: Line, verdict: Verdict) -> Answer:
        if verdict is Verdict.KILLS:
            raise PoisonRequest(f"endpoints of {self._model} died of it, twice alone")
        if line.answer is None:
            raise EngineUnreachable(f"no endpoint of {self._model} answers", line.sent)
        return replace(line.answer, attempts=line.sent)


def _wait(failures: int) -> float:
    grown: float = min(
        pauses.FIRST_WAIT_SECONDS * 2**failures, pauses.LONGEST_WAIT_SECONDS
    )
    return grown * random.uniform(0.5, 1.0)  # noqa: S311 - jitter
