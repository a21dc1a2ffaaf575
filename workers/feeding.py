"""Keep the runner's queue filled, from several batches in turn.

A chunk of each waiting batch is open at the same time and a few lines of each are taken
in turn, so that ten lines behind fifty thousand do not wait for them. Chunks of one
batch follow each other without a pause.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from batches import actions
from batches.models import Chunk
from batches.stored import find_lost
from files import reserve
from workers import leases
from workers.database import DatabaseThread
from workers.models import Heartbeat
from workers.pulse import Pulse
from workers.reading import ChunkInHand, Request, in_hand, requests_of

logger = logging.getLogger(__name__)

POLL_SECONDS = 0.2
LINGER_SECONDS = 1.0
RESERVE_SECONDS = 1.0
# Lines taken from one batch before it is the next one's turn, and open batches.
TURN_LINES = 16
MOST_SOURCES = 8


@dataclass(eq=False)
class _Source:
    """An open chunk and its requests that are not in the queue yet."""

    held: ChunkInHand
    requests: deque[Request]


class Feeder:
    """Claims chunks of one model and offers their requests until there are none."""

    def __init__(
        self,
        model: str,
        *,
        owner: str,
        pulse: Pulse,
        held: set[ChunkInHand],
        is_over: Callable[[], bool],
        offer: Callable[[Request], Awaitable[None]],
        run_carefully: Callable[[Chunk, ChunkInHand, list[Request]], Awaitable[None]],
        note: Callable[[ChunkInHand], None],
    ) -> None:
        self._model = model
        self._owner = owner
        self._pulse = pulse
        self._held = held
        self._is_over = is_over
        self._offer = offer
        self._run_carefully = run_carefully
        self._note = note
        self._sources: deque[_Source] = deque()
        self._last_batch = ""
        self._next_look = 0.0
        self._thread = DatabaseThread("feeder")

    async def run(self) -> None:
        """Feed until nothing was there to claim for a while, or the run is over."""
        idle_seconds = 0.0
        while not self._is_over():
            await self._wait_for_room()
            await self._look()
            if self._sources:
                idle_seconds = 0.0
                await self._take_turn()
                continue
            if not self._held:
                idle_seconds += POLL_SECONDS
            if idle_seconds > LINGER_SECONDS:
                return
            await asyncio.sleep(POLL_SECONDS)

    async def close(self) -> None:
        """Give the thread and its connection back."""
        await self._thread.close()

    async def _wait_for_room(self) -> None:
        """Pause while the disk is down to its reserve: results must fit (P10)."""
        while reserve.is_reached() and not self._is_over():
            self._pulse.tell(
                Heartbeat.State.PAUSED,
                model=self._model,
                reason="the disk is full down to its reserve; free some space",
            )
            await asyncio.sleep(RESERVE_SECONDS)
        if self._pulse.state == Heartbeat.State.PAUSED:
            self._pulse.tell(Heartbeat.State.RUNNING, model=self._model)

    async def _look(self) -> None:
        """Claim a chunk: at once if none is open, else now and then another batch's."""
        now = asyncio.get_running_loop().time()
        if self._sources and now < self._next_look:
            return
        self._next_look = now + POLL_SECONDS
        if len(self._sources) >= MOST_SOURCES:
            return
        # Another batch than those that are open or had the last turn, if there is one.
        besides = {source.held.claim.batch_id for source in self._sources}
        chunk = await self._claim(besides | {self._last_batch})
        if chunk is not None:
            self._next_look = 0.0  # there may be more of them
        elif not self._sources:
            chunk = await self._claim(set())
        if chunk is not None:
            await self._open(chunk)

    async def _claim(self, besides: set[str]) -> Chunk | None:
        claim = asyncio.ensure_future(
            self._thread.patiently(
                leases.claim_chunk, self._owner, self._model, besides
            )
        )
        try:
            return await asyncio.shield(claim)
        except asyncio.CancelledError:
            # The thread goes on; what it claims must be given back like the rest.
            if (chunk := await claim) is not None:
                self._held.add(in_hand(chunk, self._owner))
            raise

    async def _open(self, chunk: Chunk) -> None:
        held = in_hand(chunk, self._owner)
        self._held.add(held)
        try:
            requests = await self._thread.patiently(requests_of, chunk, held)
        except FileNotFoundError:
            if not await self._thread.patiently(_break_off, chunk):
                raise
            held.stopped = "lost"
            self._close(held)
            return
        if chunk.crash_count or chunk.probe_count:
            # Its holders vanished: one of its lines may be poison.
            await self._run_carefully(chunk, held, requests)
            self._close(held)
        elif requests:
            self._sources.append(_Source(held, deque(requests)))
        else:
            self._close(held)

    async def _take_turn(self) -> None:
        source = self._sources.popleft()
        self._last_batch = source.held.claim.batch_id
        for _ in range(min(TURN_LINES, len(source.requests))):
            if source.held.stopped or self._is_over():
                source.requests.clear()
                break
            source.held.outstanding += 1
            await self._offer(source.requests.popleft())
        if source.requests:
            self._sources.append(source)
        else:
            self._close(source.held)

    def _close(self, held: ChunkInHand) -> None:
        held.is_read = True
        self._note(held)


def _break_off(chunk: Chunk) -> bool:
    """Fail a batch whose files are lost; not if the whole storage is away."""
    if (lost := find_lost(chunk.batch)) is None:
        return False
    logger.error("%s of %s is lost", lost, chunk.batch_id)
    actions.break_off_lost(chunk.batch, lost)
    return True
