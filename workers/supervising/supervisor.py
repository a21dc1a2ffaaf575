"""Watch one GPU slot from outside: start, restart, ring, drain (design.md §5).

Each cluster's keeper sees a vanished process by itself. Here the database is asked
for what no process table shows: work that nobody takes, a heart that stopped, a
window of requests without progress.
"""

import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from django.db import Error as DatabaseFailure

from batches.models import BatchJob
from batches.sweeping import (
    ring_label_studio,
    ring_one_worker,
    ring_purge,
    sweep,
)
from vllm_batch.lib.clock import database_now
from vllm_batch.lib.conf import conf
from vllm_batch.lib.logs import WORKER
from workers.database import disconnect, fresh, patiently
from workers.devices import device_environment, gpu_count
from workers.hosts import gpu_name
from workers.slots.slot import DRAIN_FD, PRELOAD
from workers.supervising import family
from workers.supervising.exporter import Exporter
from workers.supervising.gpu_owner import GpuOwner
from workers.supervising.lifeline import adopt_orphans
from workers.supervising.processes import Cluster, end_orphans
from workers.supervising.slot_lock import slot_lock
from workers.supervising.symptoms import STALL_SECONDS, Symptoms, has_beat, symptoms_of

logger = logging.getLogger(__name__)

STEP_SECONDS = 0.25
SWEEP_SECONDS = 1.0
PURGE_SECONDS = LABEL_STUDIO_SECONDS = 60.0
# A connection may have died without a word; its query would wait for ever.
DATABASE_SECONDS = 20
ENDING_SECONDS = 10.0


class Supervisor:
    """Keeps the GPU cluster and the ops cluster of one slot at work."""

    def __init__(self, slot: str, preload: str = "", device: str = "") -> None:
        self.slot = slot
        seen = device_environment(slot, device, count=gpu_count(), inherited=os.environ)
        folder = conf().DATA_DIR / "slots"
        name = gpu_name(slot)
        self._exporter = Exporter(name)
        shared = {WORKER: name, **self._exporter.environment}
        self._ops = Cluster("ops", folder / f"{name}.ops.json", shared)
        # A slot that freezes while it writes holds rows that others need; once its
        # leases have ended it could commit nothing anyhow.
        longest = {"DATABASE_IDLE_SECONDS": str(conf().WORKER_LEASE_SECONDS)}
        extra = {"WORKER_SLOT": slot, PRELOAD: preload, **longest, **seen, **shared}
        self._gpu = Cluster("gpu", folder / f"{name}.gpu.json", extra)
        self._clusters = (self._gpu, self._ops)
        self._is_ending = threading.Event()
        self._next_sweep = 0.0
        self._next_purge = 0.0
        self._next_label_studio = 0.0
        self._rung_for = 0.0
        self._symptoms = {cluster: Symptoms() for cluster in self._clusters}
        # Children this process had before: nobody's orphans.
        self._strangers: list[int] = []

    def run(self, on_start: Callable[[], None]) -> None:
        """Run until SIGTERM or SIGINT, then drain; `on_start` is called once it works.

        Raises CommandError if the slot is taken, on this machine or by the database,
        or if the port for metrics is.
        """
        os.environ[WORKER] = gpu_name(self.slot)
        with (
            slot_lock(self.slot) as lock,
            self._owned_gpu(),
            self._drain_pipe(),
            self._exporter.serving(),
        ):
            # Until the last of its processes is gone, the slot stays taken.
            self._gpu.inherit(lock)
            self._strangers = [one.pid for one in family.descendants(os.getpid())]
            adopt_orphans()
            signal.signal(signal.SIGTERM, self._end)
            signal.signal(signal.SIGINT, self._end)
            signal.signal(signal.SIGALRM, _time_is_up)
            self._start_clusters()
            on_start()
            while not self._is_ending.is_set():
                self.step()
                self._is_ending.wait(STEP_SECONDS)
            self._drain()

    def _end(self, signum: int, frame: FrameType | None) -> None:
        self._is_ending.set()

    def step(self) -> None:
        """Do once what has to be done again and again."""
        self._start_clusters()
        now = time.monotonic()
        if now < self._next_sweep:
            return
        self._next_sweep = now + SWEEP_SECONDS
        try:
            with _limited(DATABASE_SECONDS):
                fresh(self._keep_gpu, now)
                sweep()
                self._ring(now)
                self._watch(now)
        except (DatabaseFailure, TimeoutError) as error:
            logger.warning("the database is away: %s", error)
            # While nothing can be seen, nothing can be found to last.
            for symptoms in self._symptoms.values():
                symptoms.forget()
            disconnect()

    @contextmanager
    def _owned_gpu(self) -> Iterator[None]:
        self._owner = GpuOwner(self.slot)
        patiently(self._owner.obtain)
        yield
        try:
            with _limited(DATABASE_SECONDS):
                fresh(self._owner.release)
        except (DatabaseFailure, TimeoutError) as error:
            logger.warning("the GPU is free once its lease ends: %s", error)

    def _keep_gpu(self, now: float) -> None:
        if not self._owner.keep(now):
            self._is_ending.set()

    def _start_clusters(self) -> None:
        """Start what is not there, once nothing is left of what was there before."""
        ended = [cluster for cluster in self._clusters if not cluster.is_alive]
        for cluster in ended:
            cluster.note_end()
        keepers = [cluster.pid for cluster in self._clusters if cluster.pid]
        if ended and end_orphans([*self._strangers, *keepers]):
            for cluster in ended:
                cluster.start()

    def _ring(self, now: float) -> None:
        if self._rung_for != self._gpu.started_at:
            # The first doorbell starts the heartbeat, and loads what is to be warm. Any
            # worker may take it, so it is rung until this one has one.
            if has_beat(self.slot, self._gpu.has):
                self._rung_for = self._gpu.started_at
            else:
                ring_one_worker()
        if now >= self._next_purge:
            self._next_purge = now + PURGE_SECONDS
            ring_purge()
        # Not while another doorbell lies there: a second later, then.
        if now >= self._next_label_studio and ring_label_studio():
            self._next_label_studio = now + LABEL_STUDIO_SECONDS

    def _watch(self, now: float) -> None:
        """Restart a cluster that shows for some time that it is not well."""
        moment = database_now()
        waiting = BatchJob.objects.needing_ops(moment).unattended(moment)
        is_stalled = waiting.exists() and not self._ops.is_busy
        stalled = {"it takes no work": STALL_SECONDS} if is_stalled else {}
        self._restart_if(self._ops, stalled, now)
        self._restart_if(self._gpu, symptoms_of(self.slot, self._gpu.has), now)

    def _restart_if(
        self, cluster: Cluster, found: dict[str, float], now: float
    ) -> None:
        if not cluster.is_alive or cluster.is_ending:
            found = {}
        started_at, symptoms = cluster.started_at, self._symptoms[cluster]
        lasting = symptoms.note(found, started_at=started_at, now=now)
        if lasting:
            logger.error("restarting the %s cluster: %s", cluster.name, lasting)
            cluster.kill()

    @contextmanager
    def _drain_pipe(self) -> Iterator[None]:
        """Hold the pipe whose closing tells the worker to drain.

        It closes by itself if this process is killed, so nothing outlives it.
        """
        self._read_end, self._write_end = os.pipe()
        self._gpu.inherit(self._read_end, DRAIN_FD)
        try:
            yield
        finally:
            os.close(self._read_end)

    def _drain(self) -> None:
        os.close(self._write_end)
        limit = conf().WORKER_DRAIN_SECONDS + 10
        logger.info("draining: up to %s s", limit)
        for cluster in self._clusters:
            cluster.drain()
        self._wait_for_end(limit)
        for cluster in self._clusters:
            cluster.kill()
        self._wait_for_end(ENDING_SECONDS)
        end_orphans(self._strangers)

    def _wait_for_end(self, seconds: float) -> None:
        ends_at = time.monotonic() + seconds
        while time.monotonic() < ends_at and any(c.is_alive for c in self._clusters):
            time.sleep(0.05)


def _time_is_up(signum: int, frame: FrameType | None) -> None:
    raise TimeoutError("it did not answer in time")


@contextmanager
def _limited(seconds: float) -> Iterator[None]:
    """Raise TimeoutError after so long, also out of a query that waits."""
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
