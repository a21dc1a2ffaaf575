"""Several models on one slot: loading, sleeping, waking, and models that fail."""

import asyncio
from typing import Any

import pytest
from django.conf import settings as django_settings

from batches.models import BatchJob
from tests.factories import lines, make_client, make_model, make_running_batch
from tests.workers.runs import end
from tests.workers.warm_slots import open_slot
from workers.engines.stub import StubEngine
from workers.models import ServedModel
from workers.slots import room, swapping
from workers.slots.room import GIB, GpuMemory, Holder

__all__ = ["open_slot"]

pytestmark = pytest.mark.django_db(transaction=True)
events: list[str] = []
BOTH = {"sleep_levels": [1, 2], "weight_bytes": 1000}


class Noted(StubEngine):
    """A stub engine that notes what is done to it."""

    async def start(self) -> None:
        """Start."""
        events.append(f"start {self.model}")
        await super().start()

    async def sleep(self, level: int) -> bool:
        """Sleep."""
        events.append(f"sleep {self.model} {level}")
        return await super().sleep(level)

    async def wake(self) -> None:
        """Wake."""
        events.append(f"wake {self.model}")
        await super().wake()

    async def stop(self) -> None:
        """Stop."""
        events.append(f"stop {self.model}")
        await super().stop()


@pytest.fixture(autouse=True)
def noted(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Use the engine above."""
    events.clear()
    monkeypatch.setattr(swapping, "RELEASE_SECONDS", 0.1)
    settings.ENGINES = {**django_settings.ENGINES, "noted": f"{__name__}.Noted"}


def model(name: str, **engine_args: Any) -> ServedModel:
    return make_model(name, engine="noted", engine_args=engine_args)


def batch(name: str, **fields: Any) -> BatchJob:
    return make_running_batch(*lines(2, model=name), **fields)


def serve_in_turn(slot: Any, *names: str) -> list[str]:
    """Run one batch after the other, and return how they ended."""
    ended = []
    for name in names:
        job = batch(name)
        slot.serve()
        ended.append(end(job).status)
    return ended


def failing(name: str, **engine_args: Any) -> ServedModel:
    return model(name, load_error="no such weights", **engine_args)


def shown(job: BatchJob) -> Any:
    url = f"/v1/batches/{job.pk}"
    return make_client(job.project).get(url).json()["vllm_batch"]["waiting"]


def test_models_that_sleep_are_woken_rather_than_loaded(open_slot):
    model("one", **BOTH)
    model("two", **BOTH)

    assert serve_in_turn(open_slot(), "one", "two", "one") == ["completed"] * 3
    assert events == [
        "start one",
        "sleep one 1",
        "start two",
        "sleep two 1",
        "wake one",
    ]


def test_no_more_models_sleep_than_allowed(open_slot, configure):
    for name in ("one", "two", "three"):
        model(name, **BOTH)

    serve_in_turn(open_slot(), "one", "two", "three")

    assert "stop one" in events and "stop two" not in events
    configure(WORKER_SLEEPING_MODELS=0)
    events.clear()
    serve_in_turn(open_slot(), "one", "two")
    assert events == ["start one", "stop one", "start two"]


def test_an_engine_that_cannot_sleep_is_unloaded(open_slot):
    model("one")
    model("two")

    serve_in_turn(open_slot(), "one", "two", "one")

    assert "stop one" in events and "wake one" not in events


def test_the_deeper_sleep_is_taken_where_memory_is_short(open_slot, monkeypatch):
    monkeypatch.setattr(room, "free_ram_bytes", lambda: 1000)
    model("one", **BOTH)
    model("two", **BOTH)

    serve_in_turn(open_slot(), "one", "two")

    assert "sleep one 2" in events and "sleep one 1" not in events


def test_an_engine_that_does_not_wake_is_loaded_anew(open_slot):
    model("one", **BOTH, wake_fails=True)
    model("two", **BOTH)

    ended = serve_in_turn(open_slot(), "one", "two", "one")

    assert ended == ["completed"] * 3
    assert events[-3:] == ["wake one", "stop one", "start one"]


def test_a_sleeping_model_whose_arguments_changed_is_loaded_anew(open_slot):
    one = model("one", **BOTH)
    model("two", **BOTH)
    slot = open_slot()
    serve_in_turn(slot, "one", "two")
    one.engine_args = {**one.engine_args, "concurrency": 2}
    one.save()

    serve_in_turn(slot, "one")

    assert "stop one" in events and "wake one" not in events
    assert events[-1] == "start one"


def test_closing_the_slot_stops_those_that_sleep_too(open_slot):
    model("one", **BOTH)
    model("two", **BOTH)
    slot = open_slot()
    serve_in_turn(slot, "one", "two")

    slot.close()

    assert sorted(events[-2:]) == ["stop one", "stop two"]


def test_what_loading_and_waking_cost_is_learnt(open_slot):
    one = model("one", load_seconds=0.05, **BOTH)
    model("two", **BOTH)

    serve_in_turn(open_slot(), "one", "two", "one")

    one.refresh_from_db()
    assert one.load_seconds is not None and one.load_seconds >= 0.05
    assert one.wake_seconds is not None and one.wake_seconds < 0.05


def test_a_model_is_disabled_after_so_many_failed_loads(open_slot, configure):
    bad, good = failing("bad", load_failures=9), model("good")
    configure(MODEL_LOAD_ATTEMPTS=2)
    waits, runs = batch("bad", priority=1), batch("good")
    slot = open_slot()

    slot.serve()
    slot._cooling.clear()  # a minute later
    slot.serve()

    bad.refresh_from_db()
    assert (bad.is_enabled, bad.disabled_reason) == (False, "no such weights")
    assert end(runs).status == "completed" and end(waits).status == "in_progress"
    good.refresh_from_db()
    assert good.is_enabled and events.count("start bad") == 2


def test_a_load_that_works_in_the_end_disables_nothing(open_slot, configure):
    flaky = failing("flaky", load_failures=1)
    configure(MODEL_LOAD_ATTEMPTS=2)
    slot, job = open_slot(), batch("flaky")

    slot.serve()
    slot._cooling.clear()
    slot.serve()

    flaky.refresh_from_db()
    assert flaky.is_enabled and end(job).status == "completed"


@pytest.mark.parametrize("case", ["lasting", "engine"])
def test_a_fault_that_lasts_disables_a_model_at_once(open_slot, settings, case):
    bad = failing("bad", load_error_is_lasting=True)
    batch("bad")
    if case == "engine":
        settings.ENGINES = {"stub": django_settings.ENGINES["stub"]}

    open_slot().serve()

    bad.refresh_from_db()
    expected = "no such weights" if case == "lasting" else "there is no engine 'noted'"
    assert not bad.is_enabled and expected in bad.disabled_reason


def test_the_batches_of_a_disabled_model_say_why_they_wait(open_slot):
    failing("bad", load_error_is_lasting=True)
    job = batch("bad")
    slot = open_slot()

    slot.serve()
    slot._pulse._beat()

    waiting = shown(job)
    assert waiting["code"] == "model_disabled"
    assert "no such weights" in waiting["message"]


def test_enabling_it_in_the_admin_clears_the_reason_and_tries_again(
    open_slot, admin_client
):
    bad = failing("bad", load_error_is_lasting=True)
    job = batch("bad")
    slot = open_slot()
    slot.serve()
    url = f"/admin/vllm_workers/servedmodel/{bad.pk}/change/"
    page = admin_client.get(url)
    form = {k: v for k, v in page.context["adminform"].form.initial.items() if v}

    changes = {"is_enabled": "on", "engine_args": "{}"}
    jsons = {"endpoints": "[]", "lora_adapters": "[]", "request_limits": "{}"}
    response = admin_client.post(url, {**form, **jsons, **changes})

    assert "no such weights" in page.content.decode() and response.status_code == 302
    bad.refresh_from_db()
    assert (bad.is_enabled, bad.disabled_reason) == (True, "")
    slot.serve()
    assert end(job).status == "completed"


def test_a_gpu_that_is_taken_is_told_about_and_disables_nothing(
    open_slot, configure, monkeypatch
):
    holders = [Holder(pid=42, name="game", bytes=15 * GIB)]
    memory = GpuMemory(total=16 * GIB, free=GIB, holders=holders)
    monkeypatch.setattr(room, "gpu_memory", lambda: memory)
    configure(MODEL_LOAD_ATTEMPTS=1)
    big = model("big", gpu_memory_utilization=0.9)
    batch("big")
    slot = open_slot()

    slot.serve()

    big.refresh_from_db()
    assert big.is_enabled and "game (pid 42)" in slot._pulse.reason
    assert events == []


def test_sleeping_engines_are_stopped_where_they_take_the_gpus_room(
    open_slot, monkeypatch
):
    model("one", **BOTH, gpu_memory_utilization=0.95)
    model("two", **BOTH, gpu_memory_utilization=0.95)

    def memory() -> GpuMemory:
        asleep = sum(e.startswith("sleep") for e in events)
        left_over = asleep - sum(e.startswith("stop") for e in events)
        return GpuMemory(total=16 * GIB, free=16 * GIB - left_over * GIB)

    monkeypatch.setattr(room, "gpu_memory", memory)

    ended = serve_in_turn(open_slot(), "one", "two")

    assert ended == ["completed"] * 2
    assert events == ["start one", "sleep one 1", "stop one", "start two"]


def test_weights_that_never_fit_disable_the_model(open_slot, monkeypatch):
    memory = GpuMemory(total=16 * GIB, free=16 * GIB)
    monkeypatch.setattr(room, "gpu_memory", lambda: memory)
    huge = model("huge", gpu_memory_utilization=0.9, weight_bytes=40 * GIB)
    batch("huge")

    open_slot().serve()

    huge.refresh_from_db()
    assert not huge.is_enabled and "do not fit" in huge.disabled_reason


def test_an_engine_whose_start_was_broken_off_is_loaded_anew(open_slot, monkeypatch):
    model("a")
    job = batch("a")
    slot = open_slot()
    start = StubEngine.start

    async def break_off(self: StubEngine) -> None:
        monkeypatch.setattr(StubEngine, "start", start)
        raise asyncio.CancelledError

    monkeypatch.setattr(StubEngine, "start", break_off)
    with pytest.raises(asyncio.CancelledError):
        slot.serve()
    slot.serve()

    assert end(job).status == "completed"
    assert events == ["start a", "stop a", "start a"]
