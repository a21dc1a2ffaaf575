"""One worker a slot; a worker that is not well is found out from outside."""

import fcntl
import os
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.core.management import CommandError, call_command
from django_q.models import OrmQ

from tests.factories import make_chunk, make_model
from vllm_batch.lib.clock import database_now
from vllm_batch.lib.conf import conf
from workers.hosts import host_name
from workers.models import Heartbeat
from workers.supervising import slot_lock
from workers.supervising.processes import Cluster
from workers.supervising.symptoms import (
    STALL_SECONDS,
    Symptoms,
    has_beat,
    is_silent,
    symptoms_of,
    work_waits,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def taken_slot(configure, tmp_path) -> Iterator[str]:
    """A slot that another worker of this machine holds."""
    configure(DATA_DIR=tmp_path, WORKER_HOST="here")
    folder = conf().DATA_DIR / "slots"
    folder.mkdir()
    with open(folder / "gpu7@here.lock", "w") as file:
        file.write(str(os.getpid()))
        file.flush()
        fcntl.flock(file, fcntl.LOCK_EX)
        yield "gpu7"


def test_a_second_worker_on_the_slot_is_refused(taken_slot):
    with pytest.raises(CommandError) as caught:
        call_command("runworker", slot=taken_slot)

    assert "Slot gpu7 already has a worker on this machine (here)" in str(caught.value)
    assert "--slot" in str(caught.value)


def test_a_refused_worker_rings_nobody(taken_slot):
    with pytest.raises(CommandError):
        call_command("runworker", slot=taken_slot)

    assert not OrmQ.objects.exists()


def test_a_machine_of_another_name_may_share_the_folder(taken_slot, configure):
    configure(WORKER_HOST="there")

    with slot_lock.slot_lock(taken_slot):
        pass


def test_a_slot_is_waited_for_while_a_killed_worker_s_processes_end(
    configure, tmp_path
):
    configure(DATA_DIR=tmp_path, WORKER_HOST="here")
    (tmp_path / "slots").mkdir()
    path = tmp_path / "slots" / "gpu7@here.lock"
    path.write_text("999999999")
    # It holds the lock as a keeper does: by an inherited descriptor.
    leftover = subprocess.Popen(["flock", str(path), "sleep", "1"])
    while leftover.poll() is None and _is_free(path):
        pass

    with slot_lock.slot_lock("gpu7"):
        assert path.read_text() == str(os.getpid())

    assert leftover.wait() == 0


def _is_free(path) -> bool:
    with open(path) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def beat(seconds_old: float = 0, moved: float = 0, **fields: object) -> Heartbeat:
    now = database_now()
    defaults = {
        "host": host_name(),
        "pid": 1,
        "owner": "o",
        "beat_at": now - timedelta(seconds=seconds_old),
        "progress_at": now - timedelta(seconds=moved),
    }
    return Heartbeat.objects.create(slot="gpu7", **{**defaults, **fields})


def found(*, is_ours: bool = True) -> list[str]:
    return list(symptoms_of("gpu7", lambda pid: is_ours))


def test_a_slot_without_a_heartbeat_is_silent():
    assert is_silent(None, database_now())


@pytest.mark.parametrize(
    ("state", "reason", "expected"),
    [
        ("running", "", False),
        ("loading", "", False),
        ("idle", "the engine died", False),
        ("idle", "", True),
    ],
)
def test_a_slot_that_idles_without_a_reason_is_silent(state, reason, expected):
    assert is_silent(beat(state=state, reason=reason), database_now()) is expected


def test_a_slot_whose_heart_stopped_is_silent():
    assert is_silent(beat(STALL_SECONDS + 1, state="running"), database_now())


@pytest.mark.parametrize("is_enabled", [True, False])
def test_only_chunks_of_enabled_models_are_work_for_a_worker(is_enabled):
    make_model(is_enabled=is_enabled)
    make_chunk()

    assert work_waits(database_now()) is is_enabled


@pytest.mark.parametrize("is_ours", [True, False])
def test_a_heart_beats_once_a_process_of_this_cluster_says_so(is_ours):
    before = has_beat("gpu7", lambda pid: is_ours)
    beat()

    assert not before
    assert has_beat("gpu7", lambda pid: is_ours) is is_ours


def test_a_worker_that_is_well_has_no_symptom():
    beat(state="running", requests_in_flight=5, moved=100)

    assert found() == []


def test_work_that_nobody_takes_is_a_symptom():
    make_model()
    make_chunk()

    assert found() == ["it takes no work"]


@pytest.mark.parametrize(("state", "age"), [("running", 31), ("loading", 121)])
def test_a_heart_that_stopped_is_a_symptom(state, age):
    beat(age, state=state)

    assert found() == ["its heart stopped"]


def test_a_model_may_load_for_a_while():
    beat(60, state="loading")

    assert found() == []


def test_requests_without_progress_are_a_symptom():
    beat(state="running", requests_in_flight=1, moved=2 * 120 + 31)

    assert found() == ["its requests make no progress"]


@pytest.mark.parametrize(
    "fields",
    [
        {"requests_in_flight": 0},
        {"requests_in_flight": 1, "reason": "waiting for the engine to come back"},
        {"requests_in_flight": 1, "state": "draining"},
    ],
)
def test_a_worker_without_progress_may_have_a_reason(fields):
    beat(moved=10_000, **{"state": "running", **fields})

    assert found() == []


def test_the_heart_of_an_earlier_worker_is_nobody_s():
    beat(1000, state="running")

    assert found(is_ours=False) == []


def test_the_heart_of_another_machine_is_nobody_s():
    beat(1000, state="running", host="elsewhere")

    assert found() == []


def note(symptoms: Symptoms, *found: str, now: float, started_at: float = 0) -> str:
    limits = dict.fromkeys(found, 10.0)
    return symptoms.note(limits, started_at=started_at, now=now)


def test_a_symptom_counts_once_it_has_lasted():
    symptoms = Symptoms()

    answers = [note(symptoms, "ill", now=now) for now in (0, 10, 11)]

    assert answers == ["", "", "ill"]


def test_a_symptom_that_comes_and_goes_starts_anew():
    symptoms = Symptoms()
    note(symptoms, "ill", now=0)
    note(symptoms, now=5)

    assert note(symptoms, "ill", now=11) == ""


def test_a_new_cluster_has_time_of_its_own():
    symptoms = Symptoms()
    note(symptoms, "ill", now=0)

    assert note(symptoms, "ill", now=11, started_at=10) == ""


def test_nothing_lasts_while_nothing_can_be_seen():
    symptoms = Symptoms()
    note(symptoms, "ill", now=0)
    symptoms.forget()

    assert note(symptoms, "ill", now=11) == ""


@pytest.fixture
def cluster(tmp_path) -> Cluster:
    cluster = Cluster("gpu", tmp_path / "ledger.json")
    cluster._keeper = subprocess.Popen(["true"])
    cluster._keeper.wait()
    return cluster


def test_pauses_grow_while_a_cluster_soon_ends(cluster, monkeypatch):
    monkeypatch.setattr("workers.supervising.processes.time.monotonic", lambda: 100.0)
    pauses = []
    for _ in range(9):
        keeper = cluster._keeper
        cluster.started_at = 95.0
        cluster.note_end()
        pauses.append(cluster._pause)
        cluster._keeper = keeper

    assert pauses == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]


def test_a_cluster_that_was_well_starts_again_at_once(cluster, monkeypatch):
    monkeypatch.setattr("workers.supervising.processes.time.monotonic", lambda: 100.0)
    cluster._pause = 30.0
    cluster.started_at = 50.0

    cluster.note_end()

    assert cluster._pause == 0


@pytest.mark.parametrize(
    ("titles", "expected"),
    [
        (
            ["qcluster P idle", "qcluster P processing t 'f'", "qcluster P pusher"],
            False,
        ),
        (["qcluster P processing t 'f'", "qcluster P monitor"], True),
        (["python manage.py qcluster"], False),
    ],
)
def test_a_cluster_is_busy_when_no_worker_is_idle(
    cluster, monkeypatch, titles, expected
):
    members = [SimpleNamespace(title=title) for title in titles]
    monkeypatch.setattr(
        "workers.supervising.processes.family.descendants", lambda pid: members
    )

    assert cluster.is_busy is expected
