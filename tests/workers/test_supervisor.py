"""One worker a slot: the second one is refused."""

import fcntl
from collections.abc import Iterator

import pytest
from django.core.management import CommandError, call_command
from django_q.models import OrmQ

from tests.factories import make_chunk, make_model
from vllm_batch.lib.clock import database_now
from vllm_batch.lib.conf import conf
from workers.models import Heartbeat
from workers.supervisor import Supervisor

pytestmark = pytest.mark.django_db


@pytest.fixture
def taken_slot(configure, tmp_path) -> Iterator[str]:
    """A slot that another worker of this machine holds."""
    configure(DATA_DIR=tmp_path)
    folder = conf().DATA_DIR / "slots"
    folder.mkdir()
    with open(folder / "gpu7.lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield "gpu7"


def test_a_second_worker_on_the_slot_is_refused(taken_slot):
    with pytest.raises(CommandError) as caught:
        call_command("runworker", slot=taken_slot)

    assert "Slot gpu7 already has a worker on this machine" in str(caught.value)
    assert "--slot" in str(caught.value)


def test_a_refused_worker_rings_nobody(taken_slot):
    with pytest.raises(CommandError):
        call_command("runworker", slot=taken_slot)

    assert not OrmQ.objects.exists()


def beat(**fields: object) -> None:
    now = database_now()
    defaults = {"host": "h", "pid": 1, "owner": "o", "beat_at": now, "progress_at": now}
    Heartbeat.objects.create(slot="gpu7", **{**defaults, **fields})


def test_a_slot_without_a_heartbeat_is_silent():
    assert Supervisor("gpu7")._is_silent()


@pytest.mark.parametrize(
    ("state", "reason", "is_silent"),
    [
        ("running", "", False),
        ("loading", "", False),
        ("idle", "the engine died", False),
        ("idle", "", True),
    ],
)
def test_a_slot_that_idles_without_a_reason_is_silent(state, reason, is_silent):
    beat(state=state, reason=reason)

    assert Supervisor("gpu7")._is_silent() is is_silent


def test_a_slot_whose_heart_stopped_is_silent():
    beat(state="running", beat_at=database_now().replace(year=2020))

    assert Supervisor("gpu7")._is_silent()


@pytest.mark.parametrize("is_enabled", [True, False])
def test_only_chunks_of_enabled_models_are_work_for_a_worker(is_enabled):
    make_model(is_enabled=is_enabled)
    make_chunk()

    assert Supervisor("gpu7")._work_for_us() is is_enabled
