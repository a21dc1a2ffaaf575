"""Fail the N-th statement, write, fsync or name, for N = 1, 2, … (T07).

SQLite's own method: after each failure the batch is run again, and must end well.
"""

import errno
import os
import random
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.db.backends.utils import CursorWrapper

from batches.models import BatchJob, Chunk
from batches.tasks import attend
from files import storage as storage_module
from tests.factories import lines, make_batch, make_model
from tests.fixtures import configure, quick_passwords, storage
from tests.rig.rig import scale
from tests.workers.runs import run, union
from workers.engines.stub import StubEngine

__all__ = ["configure", "quick_passwords", "storage"]

pytestmark = [
    pytest.mark.faults,
    pytest.mark.django_db(transaction=True),
    pytest.mark.timeout(900),
]

NUMBER = 24
TRIES = scale(6, 20, 10_000)
ROUNDS = 5


class Saboteur:
    """Lets one call of a kind fail: the `nth` from now on."""

    def __init__(self) -> None:
        self.calls = 0
        self._nth = 0

    def aim(self, nth: int) -> None:
        """Let the nth call fail; 0: none."""
        self.calls, self._nth = 0, nth

    def wrap(self, call: Callable[..., Any], error: Exception) -> Callable[..., Any]:
        """Return the call, which now may fail."""

        def sabotaged(*args: Any, **kwargs: Any) -> Any:
            self.calls += 1
            if self.calls == self._nth:
                raise error
            return call(*args, **kwargs)

        return sabotaged


LOST = OperationalError("a test cut the connection")
FULL = OSError(errno.ENOSPC, "a test's disk is full")
CALLS: dict[str, tuple[Any, str, Exception]] = {
    "sql": (CursorWrapper, "_execute_with_wrappers", LOST),
    "fsync": (os, "fsync", FULL),
    "link": (os, "link", FULL),
    "write": (storage_module, "open", FULL),
}


@pytest.fixture(params=CALLS)
def saboteur(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Saboteur]:
    """One that spoils one kind of call."""
    saboteur = Saboteur()
    owner, name, error = CALLS[request.param]
    call = getattr(owner, name, open)
    monkeypatch.setattr(owner, name, saboteur.wrap(call, error), raising=False)
    yield saboteur
    saboteur.aim(0)


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch, configure: Callable[..., None]) -> None:
    """Let nothing wait long."""
    monkeypatch.setattr("workers.database.RETRY_SECONDS", 0.01)
    monkeypatch.setattr("workers.running.writer.RETRY_SECONDS", 0.01)
    monkeypatch.setattr("workers.running.feeding.LINGER_SECONDS", 0.02)
    monkeypatch.setattr("workers.running.feeding.POLL_SECONDS", 0.02)
    configure(WORKER_SEGMENT_SECONDS=0.02, BATCH_CHUNK_LINES=10)


def test_whatever_fails_once_the_batch_ends_well(
    saboteur: Saboteur, rng: random.Random
):
    make_model()
    saboteur.aim(0)
    run_once(make_batch(*lines(NUMBER)))
    most = saboteur.calls
    assert most >= 3

    nths = range(1, most + 1)
    for nth in nths if len(nths) <= TRIES else rng.sample(nths, TRIES):
        batch = make_batch(*lines(NUMBER))
        saboteur.aim(nth)
        with suppress(OperationalError, OSError):
            run_once(batch)
        saboteur.aim(0)
        end_by_hand(batch)

        assert batch.status == "completed", f"failing call {nth}: {batch.errors}"
        assert len(union(batch)) == NUMBER, f"failing call {nth}"
        counts = (batch.total, batch.completed, batch.failed)
        assert counts == (NUMBER, NUMBER, 0), f"failing call {nth}"


def run_once(batch: BatchJob) -> None:
    """Validate, run and finalize, as far as it goes."""
    attend(batch.pk)
    run(StubEngine(model="stub", source="", engine_args={}))
    attend(batch.pk)


def end_by_hand(batch: BatchJob) -> None:
    """Do what the supervisor does: let leases end, and ring until nothing is left."""
    connection.close()
    for _ in range(ROUNDS):
        batch.refresh_from_db()
        if batch.is_terminal:
            return
        Chunk.objects.filter(batch=batch).update(lease_expires_at=None)
        BatchJob.objects.filter(pk=batch.pk).update(ops_lease_expires_at=None)
        run_once(batch)
    batch.refresh_from_db()
