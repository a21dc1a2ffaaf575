"""The worker's sign of life, from a thread of its own: a busy loop must not miss it."""

import logging
import os
import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

from django.db.models.functions import Now

from vllm_batch.lib.conf import conf
from workers.database import AWAY, disconnect, fresh
from workers.gpu.watch import CardWatch
from workers.hosts import host_name
from workers.models import Heartbeat
from workers.running import leases
from workers.running.reading import ChunkInHand

logger = logging.getLogger(__name__)

LONGEST_BEAT_SECONDS = 2.0
MOST_SERVERS = 100


class Pulse(threading.Thread):
    """Renews the leases of chunks in hand and writes the worker's heartbeat row."""

    def __init__(self, slot: str, owner: str, card: CardWatch | None = None) -> None:
        super().__init__(name="pulse", daemon=True)
        self.state = Heartbeat.State.IDLE
        self.reason = ""
        self.model = ""
        # What the engine tells of its servers, for people.
        self.servers: list[dict[str, Any]] = []
        self.in_flight = 0
        self.done = 0
        self._has_moved = True
        self._key = {"host": host_name(), "slot": slot}
        self._owner = owner
        self._held: Collection[ChunkInHand] = ()
        self._card = card
        self._ended = threading.Event()

    def count(self) -> None:
        """Note one finished request: progress."""
        self.done += 1
        self._has_moved = True

    def move(self) -> None:
        """Note that the engine works, though no request may have finished."""
        self._has_moved = True

    def wait(self, reason: str) -> None:
        """Say what a request waits for, and that this is no standstill; "": it ran."""
        if self.state != Heartbeat.State.PAUSED:  # which has a reason of its own
            self.reason = reason
        if reason:
            self._has_moved = True

    def tell(
        self, state: Heartbeat.State, *, model: str = "", reason: str = ""
    ) -> None:
        """Say what the worker does from now on."""
        self.state, self.model, self.reason = state, model, reason
        self.servers = []

    @contextmanager
    def keeping(self, held: Collection[ChunkInHand]) -> Iterator[None]:
        """Renew the leases of what is in `held` at each beat, which may change."""
        self._held = held
        try:
            yield
        finally:
            self._held = ()

    def announce(self, model: str) -> None:
        """Write at once which model is loaded next, for workers that choose now."""
        self.tell(Heartbeat.State.LOADING, model=model)
        self._beat()

    def run(self) -> None:
        """Beat until the end."""
        seconds = min(conf().WORKER_LEASE_SECONDS / 4, LONGEST_BEAT_SECONDS)
        while True:
            try:
                fresh(self._beat)
            except AWAY:
                logger.exception("no heartbeat: the database is away")
                disconnect()
            if self._ended.wait(seconds):
                disconnect()
                return

    def _beat(self) -> None:
        if held := list(self._held):
            leases.renew(self._owner, [chunk.claim.chunk_id for chunk in held])
        fields: dict[str, Any] = {
            "pid": os.getpid(),
            "owner": self._owner,
            "state": self.state,
            "reason": self.reason[:255],
            "model": self.model,
            "gpu": self._card.as_json() if self._card else {},
            "servers": self.servers[:MOST_SERVERS],
            "requests_in_flight": self.in_flight,
            "requests_done": self.done,
            "beat_at": Now(),
        }
        if self._has_moved or not self.in_flight:
            fields["progress_at"] = Now()
        self._has_moved = False
        if not Heartbeat.objects.filter(**self._key).update(**fields):
            fields["progress_at"] = Now()
            Heartbeat.objects.get_or_create(**self._key, defaults=fields)

    def end(self) -> None:
        """Stop beating."""
        self._ended.set()
        self.join(5)
