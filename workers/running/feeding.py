"""Keep the runner's queue filled, from several batches in turn.

Chunks of several waiting batches are open at the same time and a few lines of each are
taken in turn (workers/running/turns.py), so that ten lines behind fifty thousand do not
wait. Chunks of one batch follow each other without a pause.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from math import inf

from batches import actions
from batches.models import Chunk
from batches.stored import find_lost
from vllm_batch.lib.errors import StorageAway
from vllm_batch.lib.logs import work
from workers.database import DatabaseThread
from workers.running import leases
from workers.running.reading import ChunkInHand, Request, in_hand, requests_of
from workers.running.turns import Source, Turns
from workers.served.names import names_on
from workers.slots.pausing import Pausing

logger = logging.getLogger(__name__)

POLL_SECONDS = 0.2
LINGER_SECONDS = 1.0
ROOM_SECONDS = 1.0
# Lines taken from one batch before it is the next one's turn, and open batches. A
# project without an open batch gets in beyond that: so many projects at once.
TURN_LINES = 16
MOST_SOURCES = 8
MOST_PROJECTS = 32


class Feeder:
    """Claims chunks of one model and offers their requests until there are none."""

    def __init__(
        self,
        model: str,
        *,
        owner: str,
        held: set[ChunkInHand],
        is_over: Callable[[], bool],
        offer: Callable[[Request], Awaitable[None]],
        run_carefully: Callable[[Chunk, ChunkInHand, list[Request]], Awaitable[None]],
        note: Callable[[ChunkInHand], None],
        admit: Callable[[Chunk], bool],
        pausing: Pausing,
        urgent_until: Callable[[], float] = lambda: -inf,
    ) -> None:
        self._model = model
        # What the engine answers for, its adapters too: it was loaded with them.
        self._names: list[str] = []
        self._owner = owner
        self._held = held
        self._is_over = is_over
        self._offer = offer
        self._run_carefully = run_carefully
        self._note = note
        self._admit = admit
        self._pausing = pausing
        self._urgent_until = urgent_until
        self._turns = Turns()
        # Projects that had a chunk since each one had: with very many they rotate.
        self._round: set[int] = set()
        self._next_newcomer = 0.0
        self._last_batch = ""
        self._next_look = 0.0
        self._thread = DatabaseThread("feeder")

    async def run(self) -> None:
        """Feed until nothing was there to claim for a while, or the run is over."""
        self._names = await self._thread.patiently(names_on, self._model)
        idle_seconds = 0.0
        while not self._is_over():
            await self._wait_for_room()
            await self._look()
            if self._turns:
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
        """Pause while no result may come; batches may still stop."""
        # While it is open, the run looks each second; a look asks the disk.
        while not (self._pausing.is_open or self._pausing.look() or self._is_over()):
            for source in [one for one in self._turns if one.held.stopped]:
                self._turns.remove(source)
                self._close(source.held)
            await asyncio.sleep(ROOM_SECONDS)

    async def _look(self) -> None:
        """Claim a chunk: at once if none is open, else now and then another batch's."""
        now = asyncio.get_running_loop().time()
        if self._turns and now < self._next_look:
            return
        self._next_look = now + POLL_SECONDS
        if self._turns and not await self._are_there_more():
            return
        chunk = await self._claim_newcomers(now)
        if chunk is None and len(self._turns) < MOST_SOURCES:
            # Another batch than those open or served last, if there is one.
            besides = self._turns.batches | {self._last_batch}
            chunk = await self._claim(besides)
        if chunk is not None:
            self._next_look = 0.0  # there may be more of them
        elif not self._turns:
            chunk = await self._claim(set())
        if chunk is not None:
            await self._open(chunk)

    async def _are_there_more(self) -> bool:
        """Tell whether there is a chunk to claim of others than the open batches.

        Mostly there is not, and to find that out by claiming takes several statements.
        """
        return await self._thread.patiently(
            leases.is_waiting, self._names, self._turns.batches
        )

    async def _claim_newcomers(self, now: float) -> Chunk | None:
        """Claim a chunk of a project that has none open, however many others have."""
        here = self._turns.projects
        if now < self._next_newcomer or len(here) >= MOST_PROJECTS:
            return None
        project = await self._thread.patiently(
            leases.next_project, self._names, here | self._round
        )
        if project is None:
            self._round = here
            self._next_newcomer = now + POLL_SECONDS
            return None
        self._round.add(project)
        return await self._claim({self._last_batch}, project)

    async def _claim(
        self, besides: set[str], project: int | None = None
    ) -> Chunk | None:
        claiming = self._thread.patiently(
            leases.claim_chunk,
            self._owner,
            self._names,
            besides,
            project=project,
            urgent_until=self._urgent_until(),
        )
        claim = asyncio.ensure_future(claiming)
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
        if not await self._thread.patiently(self._admit, chunk):
            held.stopped = "pinned"
            self._close(held)
            return
        requests = await self._read(chunk, held)
        if requests is None:
            self._close(held)
            return
        work.set(held.work)
        logger.info("chunk %d: %d lines to run", chunk.index, len(requests))
        if chunk.crash_count or chunk.probe_count:
            # Its holders vanished: one of its lines may be poison.
            await self._run_carefully(chunk, held, requests)
            self._close(held)
        elif requests:
            self._turns.add(_source_of(chunk, held, requests))
        else:
            self._close(held)

    async def _read(self, chunk: Chunk, held: ChunkInHand) -> list[Request] | None:
        """Return the chunk's open lines; None if it stopped before they were read.

        An object store that is away is waited for, as a full disk is.
        """
        while not (held.stopped or self._is_over()):
            try:
                return await self._read_or_break_off(chunk, held)
            except StorageAway:
                logger.warning("lines of %s wait for the object store", chunk.batch_id)
                await asyncio.sleep(ROOM_SECONDS)
        return None

    async def _read_or_break_off(
        self, chunk: Chunk, held: ChunkInHand
    ) -> list[Request] | None:
        try:
            return await self._thread.patiently(requests_of, chunk, held)
        except FileNotFoundError:
            if not await self._thread.patiently(_break_off, chunk):
                raise
            held.stopped = "lost"
            return None

    async def _take_turn(self) -> None:
        source = self._turns.next(self._urgent_until())
        self._turns.remove(source)
        self._last_batch = source.held.claim.batch_id
        for _ in range(min(TURN_LINES, len(source.requests))):
            if source.held.stopped or self._is_over():
                source.requests.clear()
                break
            source.held.outstanding += 1
            self._turns.charge(source, 1)
            await self._offer(source.requests.popleft())
        if source.requests:
            self._turns.add(source)
        else:
            self._close(source.held)

    def _close(self, held: ChunkInHand) -> None:
        held.is_read = True
        self._note(held)


def _source_of(chunk: Chunk, held: ChunkInHand, requests: list[Request]) -> Source:
    project = chunk.batch.project
    return Source(
        held=held,
        requests=deque(requests),
        project=project.pk,
        weight=max(1, project.weight),
        priority=chunk.batch.priority,
        deadline=chunk.batch.expires_at.timestamp(),
    )


def _break_off(chunk: Chunk) -> bool:
    """Fail a batch whose files are lost; not if the whole storage is away."""
    if (lost := find_lost(chunk.batch)) is None:
        return False
    logger.error("%s of %s is lost", lost, chunk.batch_id)
    actions.break_off_lost(chunk.batch, lost)
    return True
