"""The heartbeat's thread: signs of life, and leases that are kept."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError

from batches.models import Chunk
from tests.factories import make_chunk
from vllm_batch.lib.clock import database_now
from workers.models import Heartbeat
from workers.running.reading import in_hand
from workers.slots.pulse import Pulse

pytestmark = pytest.mark.django_db(transaction=True)


def beaten(pulse: Pulse) -> Heartbeat:
    """Let a pulse beat at least once, and return its row."""
    pulse.start()
    pulse.end()
    return Heartbeat.objects.get(slot="gpu7")


def test_it_says_what_the_worker_does():
    pulse = Pulse("gpu7", "alice")
    pulse.tell(Heartbeat.State.RUNNING, model="stub", reason="x" * 300)
    pulse.in_flight = 3
    pulse.count()

    row = beaten(pulse)

    assert (row.owner, row.state, row.model) == ("alice", "running", "stub")
    assert (row.requests_in_flight, row.requests_done) == (3, 1)
    assert row.reason == "x" * 255


def test_a_new_worker_takes_the_slots_row_over():
    beaten(Pulse("gpu7", "alice"))

    row = beaten(Pulse("gpu7", "bob"))

    assert row.owner == "bob" and Heartbeat.objects.count() == 1


def test_progress_is_not_claimed_while_nothing_comes_out():
    old = database_now() - timedelta(hours=1)
    beaten(Pulse("gpu7", "alice"))
    Heartbeat.objects.update(progress_at=old, beat_at=old)
    pulse = Pulse("gpu7", "bob")
    pulse.in_flight = 3
    pulse._has_moved = False  # as after its first beat

    row = beaten(pulse)

    assert row.progress_at == old and row.beat_at > old


def test_it_keeps_the_leases_of_what_is_in_hand():
    soon = database_now() + timedelta(seconds=30)
    lease: dict[str, Any] = {"lease_owner": "alice", "lease_expires_at": soon}
    chunk = make_chunk(**lease)
    make_chunk(**lease)  # its claim's answer was lost
    pulse = Pulse("gpu7", "alice")

    with pulse.keeping({in_hand(chunk, "alice")}):
        beaten(pulse)

    renewed = Chunk.objects.filter(lease_expires_at__gt=soon)
    assert list(renewed) == [chunk]


def test_no_lease_outlives_the_run():
    soon = database_now() + timedelta(seconds=30)
    chunk = make_chunk(lease_owner="alice", lease_expires_at=soon)
    pulse = Pulse("gpu7", "alice")

    with pulse.keeping({in_hand(chunk, "alice")}):
        pass  # and it could not be given back
    beaten(pulse)

    assert Chunk.objects.get().lease_expires_at == soon


def test_it_survives_a_database_that_is_away(monkeypatch):
    update, failures = Pulse._beat, iter([OperationalError("away")])

    def fail_once(pulse: Pulse) -> None:
        if error := next(failures, None):
            raise error
        update(pulse)

    monkeypatch.setattr("workers.slots.pulse.LONGEST_BEAT_SECONDS", 0.01)
    monkeypatch.setattr(Pulse, "_beat", fail_once)
    pulse = Pulse("gpu7", "alice")

    pulse.start()
    while not Heartbeat.objects.exists() and pulse.is_alive():
        pulse.join(0.01)
    pulse.end()

    assert Heartbeat.objects.get().owner == "alice"
