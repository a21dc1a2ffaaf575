"""Each GPU has one owner: by the slot's lock, and by a lease in the database."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest
from django.core.management import CommandError, call_command

from vllm_batch.lib.clock import database_now
from workers.models import GpuLease, Heartbeat
from workers.slots.pulse import Pulse
from workers.slots.slot import Slot
from workers.supervising.gpu_owner import GpuOwner
from workers.supervising.processes import Cluster
from workers.supervising.supervisor import Supervisor
from workers.supervising.symptoms import symptoms_of

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def owner_in(configure: Any, tmp_path: Path) -> Callable[..., GpuOwner]:
    """A function that returns the owner of a slot's lock in some DATA_DIR."""

    def owner_in(folder: str, *, slot: str = "gpu0", host: str = "here") -> GpuOwner:
        (tmp_path / folder / "slots").mkdir(parents=True, exist_ok=True)
        configure(DATA_DIR=tmp_path / folder, WORKER_HOST=host)
        return GpuOwner(slot)

    return owner_in


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """A function that says what happens whenever an owner waits."""

    def meanwhile(work: Callable[[], object]) -> None:
        monkeypatch.setattr(
            "workers.supervising.gpu_owner.time.sleep", lambda seconds: work()
        )

    return meanwhile


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a supervisor run in this process: no children, no signals, no orphans."""
    monkeypatch.setattr(Supervisor, "_start_clusters", lambda supervisor: None)
    monkeypatch.setattr("workers.supervising.supervisor.signal", MagicMock())
    for name in ("adopt_orphans", "end_orphans"):
        monkeypatch.setattr(
            f"workers.supervising.supervisor.{name}", lambda *spare: None
        )


def owners() -> set[tuple[str, str]]:
    return set(GpuLease.objects.values_list("host", "slot"))


def test_slots_and_machines_have_owners_of_their_own(owner_in):
    owner_in("a").obtain()
    owner_in("a", slot="gpu1").obtain()
    owner_in("b", host="there").obtain()

    assert owners() == {("here", "gpu0"), ("here", "gpu1"), ("there", "gpu0")}


def test_a_worker_that_was_killed_has_its_gpu_back_at_once(owner_in, meanwhile):
    meanwhile(lambda: pytest.fail("it waits"))
    owner_in("a").obtain()

    owner_in("a").obtain()

    assert GpuLease.objects.count() == 1


def test_a_worker_with_another_folder_is_refused(owner_in, meanwhile):
    first = owner_in("a")
    first.obtain()
    second = owner_in("b")
    meanwhile(first.obtain)

    with pytest.raises(CommandError, match="gpu0@here has a worker that uses the same"):
        second.obtain()


def test_runworker_is_refused_then(owner_in, meanwhile, monkeypatch):
    monkeypatch.setattr(Cluster, "start", lambda cluster: pytest.fail("it starts"))
    first = owner_in("a")
    first.obtain()
    owner_in("b")
    meanwhile(first.obtain)

    with pytest.raises(CommandError, match="--slot or another machine with WORKER_"):
        call_command("runworker", slot="gpu0")


def test_a_lease_that_nobody_renews_is_waited_for(owner_in, meanwhile):
    owner_in("a").obtain()
    second = owner_in("b")
    past = database_now() - timedelta(seconds=1)
    meanwhile(lambda: GpuLease.objects.update(expires_at=past))

    second.obtain()

    assert GpuLease.objects.get().expires_at > database_now()


def test_a_gpu_that_was_given_free_need_not_be_waited_for(owner_in, meanwhile):
    meanwhile(lambda: pytest.fail("it waits"))
    first = owner_in("a")
    first.obtain()
    first.release()

    owner_in("b").obtain()


def test_who_comes_too_late_gives_nothing_free(owner_in):
    first = owner_in("a")
    first.obtain()
    GpuLease.objects.update(holder="another")

    first.release()

    assert not first.keep(0) and GpuLease.objects.get().holder == "another"


def test_an_owner_renews_now_and_then(owner_in, django_assert_num_queries):
    owner = owner_in("a")
    owner.obtain()
    soon = database_now()
    GpuLease.objects.update(expires_at=soon)

    assert owner.keep(100)

    assert GpuLease.objects.get().expires_at > soon
    with django_assert_num_queries(0):
        assert owner.keep(104)


def test_a_worker_whose_gpu_was_taken_drains(owner_in, alone):
    owner_in("a")
    working: list[bool] = []

    def lose() -> None:
        working.append(True)
        GpuLease.objects.update(holder="another")

    Supervisor("gpu0").run(lose)

    assert working and GpuLease.objects.get().holder == "another"


def test_a_worker_that_stops_gives_its_gpu_free(owner_in, alone):
    owner_in("a")
    supervisor = Supervisor("gpu0")

    supervisor.run(supervisor._is_ending.set)

    assert owners() == set()


def test_what_is_gone_for_long_is_forgotten(owner_in):
    long_ago = database_now() - timedelta(days=8)
    GpuLease.objects.create(host="gone", slot="gpu0", expires_at=long_ago)
    Heartbeat.objects.create(
        host="gone", slot="gpu0", pid=1, beat_at=long_ago, progress_at=long_ago
    )

    owner_in("a").obtain()

    assert owners() == {("here", "gpu0")} and not Heartbeat.objects.exists()


def beat(host: str, configure: Any) -> None:
    configure(WORKER_HOST=host)
    pulse = Pulse("gpu0", f"worker of {host}")
    pulse.start()
    pulse.end()


def test_machines_do_not_share_a_heartbeat(configure):
    beat("here", configure)
    beat("there", configure)

    found = set(Heartbeat.objects.values_list("host", "owner"))
    assert found == {("here", "worker of here"), ("there", "worker of there")}


def test_a_supervisor_looks_at_its_own_machines_heart(configure):
    for host in ("here", "there"):
        beat(host, configure)
    long_ago = database_now() - timedelta(hours=1)
    Heartbeat.objects.filter(host="there").update(beat_at=long_ago, state="running")

    assert symptoms_of("gpu0", lambda pid: True) == {"its heart stopped": 8.0}
    configure(WORKER_HOST="here")
    assert symptoms_of("gpu0", lambda pid: True) == {}


def test_the_owner_of_a_chunk_names_the_machine_and_is_never_too_long(configure):
    configure(WORKER_HOST="h" * 63)
    slot = Slot("s" * 63)
    slot.close()

    assert slot.owner.startswith(f"{'s' * 63}@hhh") and len(slot.owner) <= 128


def test_the_admin_shows_the_owners(admin_client, owner_in):
    owner_in("a").obtain()

    page = admin_client.get("/admin/vllm_workers/gpulease/").content.decode()

    assert "gpu0" in page and "here" in page
