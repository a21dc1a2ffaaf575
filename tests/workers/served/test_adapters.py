"""Batches for a LoRA adapter run on the engine of its base."""

from typing import Any

import pytest

from batches.models import BatchJob
from batches.outlook import outlook_of
from tests.factories import line, make_batch, make_model, make_running_batch
from tests.workers.runs import Hooked, end, in_thread, run, union
from vllm_batch.lib.clock import database_now
from workers.engines.stub import StubEngine
from workers.models import Heartbeat, ServedModel
from workers.running import feeding, leases
from workers.scheduling.demand import Asker, look
from workers.served.names import names_on
from workers.supervising.symptoms import work_waits

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def base(monkeypatch: pytest.MonkeyPatch) -> None:
    """A base with an adapter, and feeders that do not linger."""
    monkeypatch.setattr(feeding, "LINGER_SECONDS", 0.0)
    monkeypatch.setattr(feeding, "POLL_SECONDS", 0.01)
    make_model(lora_adapters=[{"name": "support"}], endpoints=[])


def test_both_names_run_on_one_engine():
    first = make_running_batch(line("a", model="support"))
    second = make_running_batch(line("b"))

    run(StubEngine(model="stub", source="", engine_args={}))

    assert (first.model, second.model) == ("support", "stub")
    for batch in (first, second):
        assert end(batch).status == "completed" and len(union(batch)) == 1


def test_an_adapter_that_comes_while_its_base_runs_waits_for_the_next_load():
    def add_one() -> None:
        ServedModel.objects.update(lora_adapters=[{"name": "later"}])
        make_running_batch(line("b", model="later"))

    first = make_running_batch(line("a"))
    engine = Hooked(lambda _: in_thread(add_one))

    run(engine)

    later = BatchJob.objects.exclude(pk=first.pk).get()
    assert engine.posts == 1 and end(first).status == "completed"
    assert later.model == "later" and end(later).status == "in_progress"


def test_the_base_is_the_model_that_waits():
    make_running_batch(line(model="support"))
    make_running_batch(line())

    assert [demand.model for demand in look(Asker()).demands] == ["stub"]
    assert work_waits(database_now())
    chunk = leases.claim_chunk("alice", names_on("stub"))
    assert chunk is not None and chunk.model == "support"


def test_a_name_that_is_no_adapter_is_refused():
    errors = end(make_batch(line(model="supporter"))).errors
    assert errors and errors["data"][0]["code"] == "model_not_found"


def test_an_adapter_does_not_wait_for_its_own_base():
    batch = make_running_batch(line(model="support"))
    now = database_now()
    beat: dict[str, Any] = {"beat_at": now, "progress_at": now, "owner": "alice"}
    Heartbeat.objects.create(
        host="h", slot="s", pid=1, state="running", model="stub", **beat
    )

    waiting = outlook_of(batch).waiting

    assert waiting is not None and waiting.code == "queued"
