"""The worker's end of one replica: what is out there, and the blocks to it and back."""

import asyncio
import logging
from collections.abc import Callable
from itertools import count
from typing import Any

from workers.engines.base import Answer, EngineError, EngineUnreachable
from workers.engines.ray.blocks import (
    BLOCK_BYTES,
    GATHER_SECONDS,
    NO_ANSWER,
    Beat,
    Facts,
    Reply,
    Request,
)
from workers.engines.ray.lines import Line

logger = logging.getLogger(__name__)

_numbers = count(1)


class Link:
    """Sends lines to a replica and takes its answers.

    `on_answers` is called when there is room again, `on_end` once, when the replica is
    gone or leaves: with what it died of, or an empty string if it just leaves. Then
    `take` returns the lines that have no answer.
    """

    def __init__(
        self,
        actor: Any,
        facts: Facts,
        *,
        window: int,
        block_lines: int,
        on_answers: Callable[["Link"], None],
        on_end: Callable[["Link", str], None],
        on_metrics: Callable[["Link", bytes], None],
    ) -> None:
        self.actor = actor
        self.facts = facts
        self.number = next(_numbers)
        self.concurrency = facts.concurrency
        self.window = window or 2 * facts.concurrency
        # Whether it takes lines that may go anywhere, and whether it may leave.
        self.is_open, self.is_spare, self.is_retired = True, False, False
        self.moved_at = 0.0
        self._block_lines = block_lines
        self._on_answers, self._on_end = on_answers, on_end
        self._on_metrics = on_metrics
        self._loop = asyncio.get_running_loop()
        self._lines: dict[int, Line] = {}
        self._next = count()
        # What is not sent yet; the numbers of lines that nobody waits for.
        self._outbox: dict[int, Line] = {}
        self._given_up: list[int] = []
        self._wake = asyncio.Event()
        self._progress: int | None = None
        self._is_over = False
        self._tasks = [
            asyncio.ensure_future(self._keep(part)) for part in (self._send, self._hear)
        ]

    @property
    def load(self) -> int:
        """How many lines it has."""
        return len(self._lines)

    def send(self, line: Line) -> None:
        """Put a line into the next block."""
        if not self._lines:
            self.moved_at = self._loop.time()
        line.link, line.number = self, next(self._next)
        self._lines[line.number] = self._outbox[line.number] = line
        self._wake.set()

    def give_up(self, line: Line) -> None:
        """Abort a line that nobody waits for."""
        if self._lines.pop(line.number, None) is None:
            return
        if self._outbox.pop(line.number, None) is None:
            self._given_up.append(line.number)
            self._wake.set()

    def take(self) -> list[Line]:
        """Take back the lines that have no answer."""
        lines, self._lines, self._outbox = list(self._lines.values()), {}, {}
        return [line for line in lines if not line.is_over]

    def retire(self) -> None:
        """Take no more lines; it ends once it has none."""
        self.is_open, self.is_retired = False, True

    def end(self, why: str = "") -> None:
        """Use the replica no more; calls `on_end` the first time."""
        if self._is_over:
            return
        self._is_over, self.is_open = True, False
        current = asyncio.current_task()
        for task in self._tasks:
            if task is not current:
                task.cancel()
        self._on_end(self, why)

    def check_progress(self, seconds: float) -> None:
        """End it if it has lines and has stood still for so long."""
        if self._lines and self._loop.time() - self.moved_at > seconds:
            self.end("it made no progress for too long")

    async def _keep(self, part: Callable[[], Any]) -> None:
        from ray.exceptions import RayError

        try:
            await part()
        except RayError as error:
            self.end(reason_of(error))
        except asyncio.CancelledError:
            raise
        except Exception:  # lines must not wait for a link that is broken
            logger.exception("the link to a replica broke")
            self.end("the link to it broke")

    async def _send(self) -> None:
        while True:
            await self._wake.wait()
            await asyncio.sleep(GATHER_SECONDS)
            while self._outbox or self._given_up:
                block, given_up = self._block(), self._given_up
                self._given_up = []
                if not await self.actor.push.remote(block, given_up):
                    self.end()  # it leaves, and says so by the other call too
                    return
            self._wake.clear()

    def _block(self) -> list[Request]:
        size, block = 0, []
        for number, line in self._outbox.items():
            size += len(line.body)
            block.append((number, line.url, line.body))
            if len(block) >= self._block_lines or size >= BLOCK_BYTES:
                break
        for number, _, _ in block:
            del self._outbox[number]
        return block

    async def _hear(self) -> None:
        while True:
            beat: Beat = await self.actor.pull.remote(self.is_spare)
            self._note(beat)
            if beat.death or beat.is_leaving:
                self.end(beat.death)
                return

    def _note(self, beat: Beat) -> None:
        if beat.replies or beat.progress is None or beat.progress != self._progress:
            self.moved_at = self._loop.time()
        self._progress = beat.progress
        for reply in beat.replies:
            # An answer to a line that was given up meanwhile is nobody's.
            if line := self._lines.pop(reply[0], None):
                line.finish(_result(reply))
        if beat.metrics:
            self._on_metrics(self, beat.metrics)
        if beat.replies:
            self._on_answers(self)


def _result(reply: Reply) -> Answer | EngineError:
    _, status, body, retry_after, attempts = reply
    if status == NO_ANSWER:
        return EngineUnreachable(body.decode(), attempts)
    return Answer(status, body, retry_after, attempts)


def reason_of(error: BaseException) -> str:
    """Return the first line of what Ray says, which may go on for a page."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return f"{type(error).__name__}: {lines[0][:300]}"
