"""Make results durable off the critical path: lines go on while a segment is cut."""

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress

from batches import actions, segments
from batches.exceptions import Fenced
from batches.models import BatchJob
from batches.segments import Results
from vllm_batch.lib.conf import conf
from vllm_batch.lib.logs import work
from workers import metrics
from workers.database import (
    AWAY,
    REFUSED,
    RETRY_SECONDS,
    DatabaseThread,
    disconnect,
    patiently,
)
from workers.running import leases
from workers.running.pace import Pace
from workers.running.reading import ChunkInHand

logger = logging.getLogger(__name__)


class Writer:
    """Cuts a segment per chunk every so many lines or seconds, in a thread."""

    def __init__(
        self,
        held: set[ChunkInHand],
        on_lost: Callable[[ChunkInHand], None],
        pace: Pace,
        durations: metrics.Durations,
    ):
        self._held = held
        self._pace = pace
        self._durations = durations
        self._on_lost = on_lost
        self._wake = asyncio.Event()
        self._is_closed = False
        self._waiting = 0
        self._has_room = asyncio.Event()
        self._has_room.set()
        self._thread = DatabaseThread("writer")
        self._one = asyncio.Lock()
        self._limit = conf().WORKER_SEGMENT_LINES

    async def room(self) -> None:
        """Wait while too much is unwritten: a slow disk must not fill the memory."""
        await self._has_room.wait()

    def note(self, chunk: ChunkInHand) -> None:
        """Take note of one more result, or of a chunk whose last one came."""
        self._waiting += 1
        if self._waiting >= 8 * self._limit:
            self._has_room.clear()
        if self._waiting >= self._limit or chunk.is_complete:
            self._wake.set()

    async def run(self) -> None:
        """Write until closed, then write what is left."""
        while not self._is_closed:
            with suppress(TimeoutError):
                seconds = conf().WORKER_SEGMENT_SECONDS
                await asyncio.wait_for(self._wake.wait(), seconds)
            await self.flush()
        await self.flush()
        await self._thread.call(self._pace.end)
        await self._thread.close()

    def close(self) -> None:
        """Ask `run` to end; no results may come after this."""
        self._is_closed = True
        self._wake.set()

    async def flush(self) -> None:
        """Make everything durable that is finished now, and let go of ended chunks."""
        async with self._one:
            await self._flush()

    async def _flush(self) -> None:
        self._wake.clear()
        self._waiting = 0
        for chunk in list(self._held):
            is_complete = chunk.is_complete
            results, numbers = chunk.take_results()
            if results:
                await self._thread.call(self._store, chunk, results, numbers)
            if is_complete or chunk.stopped == Fenced.__name__:
                self._held.discard(chunk)
                await self._thread.call(_let_go, chunk)
        self._has_room.set()

    def _store(self, chunk: ChunkInHand, results: Results, numbers: list[int]) -> None:
        """Write and commit; only this thread changes what a chunk has durable."""
        sequence = chunk.sequence + 1
        done = chunk.done_with(numbers)
        is_first_try = True
        work.set(chunk.work)
        while True:
            try:
                with metrics.COMMITS.labels("file").time():
                    segment = segments.write(chunk.claim, sequence, results)
                started = time.monotonic()
                segments.commit(
                    chunk.claim,
                    segment,
                    results,
                    bytes(done),
                    is_first_try=is_first_try,
                )
            except Fenced:
                metrics.FENCED.labels(self._pace.model).inc()
                self._on_lost(chunk)
                return
            except REFUSED:
                self._break_off(chunk)
                return
            except (*AWAY, OSError):
                # Whether a COMMIT arrived is not known; the next try looks.
                logger.exception("results of %s wait", chunk.claim.batch_id)
                disconnect()
                time.sleep(RETRY_SECONDS)
                is_first_try = False
                continue
            chunk.done, chunk.sequence = done, sequence
            self._pace.add(results.usage)
            self._count(results, time.monotonic() - started)
            return

    def _count(self, results: Results, seconds: float) -> None:
        metrics.COMMITS.labels("transaction").observe(seconds)
        metrics.note_results(self._pace.model, results, self._durations.take())

    def _break_off(self, chunk: ChunkInHand) -> None:
        """Fail a batch whose rows are damaged: no other batch may wait for it."""
        batch = BatchJob(pk=chunk.claim.batch_id)
        logger.exception("the database refuses results of %s", batch.pk)
        patiently(actions.break_off, batch)
        self._on_lost(chunk)


def _let_go(chunk: ChunkInHand) -> None:
    """Give the chunk back; a batch that was stopped can be finalized now."""
    try:
        leases.release(chunk.claim)
        if chunk.stopped:
            actions.ring_ops(BatchJob(pk=chunk.claim.batch_id))
    except AWAY:
        logger.exception("a lease of %s ends by itself", chunk.claim.batch_id)
        disconnect()
