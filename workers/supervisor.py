"""Watch one GPU slot from outside: start, restart, ring, drain (design.md §5)."""

import fcntl
import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from django.core.management.base import CommandError
from django.db import DatabaseError

from batches.actions import ring_workers
from batches.models import BatchJob, Chunk
from batches.sweeping import ring_purge, sweep
from vllm_batch.lib.clock import database_now
from vllm_batch.lib.conf import conf
from workers.database import disconnect, fresh
from workers.models import Heartbeat, ServedModel
from workers.processes import Cluster
from workers.slot import DRAIN_FD, PRELOAD

logger = logging.getLogger(__name__)

STEP_SECONDS = 0.5
SWEEP_SECONDS = 1.0
PURGE_SECONDS = 60.0
# A queue that wakes nobody for this long is wedged (reliability §2.2).
STALL_SECONDS = 30.0


class Supervisor:
    """Keeps the GPU cluster and the ops cluster of one slot at work."""

    def __init__(self, slot: str, preload: str = "") -> None:
        self.slot = slot
        self._ops = Cluster("ops")
        self._gpu = Cluster("gpu", {"WORKER_SLOT": slot, PRELOAD: preload})
        self._is_ending = threading.Event()
        self._next_sweep = 0.0
        self._next_purge = 0.0
        self._waiting_since: dict[str, float] = {}

    def run(self, on_start: Callable[[], None]) -> None:
        """Run until SIGTERM or SIGINT, then drain; `on_start` is called once it works.

        Raises CommandError if the slot is taken on this machine.
        """
        with _slot_lock(self.slot), self._drain_pipe():
            signal.signal(signal.SIGTERM, self._end)
            signal.signal(signal.SIGINT, self._end)
            # The first doorbell starts the heartbeat, and loads what is to be warm.
            ring_workers()
            on_start()
            while not self._is_ending.is_set():
                self.step()
                self._is_ending.wait(STEP_SECONDS)
            self._drain()

    def _end(self, signum: int, frame: FrameType | None) -> None:
        self._is_ending.set()

    def step(self) -> None:
        """Do once what has to be done again and again."""
        for cluster in (self._ops, self._gpu):
            if cluster.is_alive:
                continue
            cluster.note_end()
            cluster.start()
        now = time.monotonic()
        if now < self._next_sweep:
            return
        self._next_sweep = now + SWEEP_SECONDS
        try:
            fresh(sweep)
            self._purge(now)
            self._watch(now)
        except DatabaseError as error:
            logger.warning("the database is away: %s", error)
            disconnect()

    def _purge(self, now: float) -> None:
        if now >= self._next_purge:
            self._next_purge = now + PURGE_SECONDS
            ring_purge()

    def _watch(self, now: float) -> None:
        """Restart a cluster that leaves work lying although it could take it."""
        moment = database_now()
        ops_waits = BatchJob.objects.needing_ops(moment).unattended(moment).exists()
        self._restart_if_stalled(self._ops, ops_waits, now)
        gpu_waits = self._is_silent() and self._work_for_us()
        self._restart_if_stalled(self._gpu, gpu_waits, now)

    def _is_silent(self) -> bool:
        """Tell whether the slot's worker shows no life, or idles without a reason."""
        beat = Heartbeat.objects.filter(slot=self.slot).first()
        if beat is None or (beat.state == Heartbeat.State.IDLE and not beat.reason):
            return True
        age = database_now() - beat.beat_at
        return age.total_seconds() > STALL_SECONDS

    @staticmethod
    def _work_for_us() -> bool:
        enabled = ServedModel.objects.filter(is_enabled=True).values("name")
        claimable = Chunk.objects.claimable(database_now())
        return claimable.filter(model__in=enabled).exists()

    def _restart_if_stalled(self, cluster: Cluster, waits: bool, now: float) -> None:
        if not waits or not cluster.is_alive:
            self._waiting_since.pop(cluster.name, None)
            return
        since = self._waiting_since.setdefault(cluster.name, now)
        if now - max(since, cluster.started_at) > STALL_SECONDS:
            logger.error("the %s cluster takes no work: restarting it", cluster.name)
            self._waiting_since.pop(cluster.name)
            cluster.kill()

    @contextmanager
    def _drain_pipe(self) -> Iterator[None]:
        """Hold the pipe whose closing tells the worker to drain.

        It closes by itself if this process is killed, so nothing outlives it.
        """
        self._read_end, self._write_end = os.pipe()
        self._gpu.inherit(DRAIN_FD, self._read_end)
        try:
            yield
        finally:
            os.close(self._read_end)

    def _drain(self) -> None:
        os.close(self._write_end)
        limit = conf().WORKER_DRAIN_SECONDS + 10
        logger.info("draining: up to %s s", limit)
        clusters = (self._gpu, self._ops)
        for cluster in clusters:
            cluster.terminate()
        ends_at = time.monotonic() + limit
        while time.monotonic() < ends_at and any(c.is_alive for c in clusters):
            time.sleep(0.1)
        for cluster in clusters:
            cluster.kill()


@contextmanager
def _slot_lock(slot: str) -> Iterator[None]:
    """Hold the machine-wide lock of the slot: two engines must not share a GPU."""
    folder = conf().DATA_DIR / "slots"
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / f"{slot}.lock", "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CommandError(
                f"Slot {slot} already has a worker on this machine. Stop it first, or"
                " name another slot with --slot."
            ) from None
        yield
