"""A GPU slot: one engine at a time, kept warm, told about in the heartbeat."""

import os
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.utils import timezone

from batches.models import BatchJob
from tests.factories import lines, make_model, make_running_batch
from tests.workers.runs import end
from tests.workers.warm_slots import open_slot
from workers.engines.base import Answer, EngineDead, EngineStartFailed
from workers.engines.stub import StubEngine
from workers.models import Heartbeat
from workers.scheduling.policy import CLOSED

__all__ = ["open_slot"]
pytestmark = pytest.mark.django_db(transaction=True)
events: list[str] = []


class Noted(StubEngine):
    """A stub engine that notes when it is started and stopped."""

    async def start(self) -> None:
        """Start, unless the model is called broken."""
        events.append(f"start {self.model}")
        if self.source == "broken":
            raise EngineStartFailed("no such weights")

    async def post(self, url: str, body: bytes) -> Answer:
        """Answer, unless the model's source says that it dies."""
        if self.source == "dying":
            raise EngineDead("out of memory")
        return await super().post(url, body)

    async def stop(self) -> None:
        """Stop."""
        events.append(f"stop {self.model}")


@pytest.fixture(autouse=True)
def noted(settings: Any) -> None:
    """Use the engine above."""
    events.clear()
    name = f"{__name__}.Noted"
    settings.ENGINES = {**django_settings.ENGINES, "noted": name}


def statuses() -> list[str]:
    return [end(batch).status for batch in BatchJob.objects.order_by("pk")]


def test_it_serves_until_nothing_waits(open_slot):
    make_model("stub", engine="noted")
    make_running_batch(*lines(3))
    make_running_batch(*lines(2))

    open_slot().serve()

    assert statuses() == ["completed", "completed"]


def test_its_engine_stays_warm_for_the_next_doorbell(open_slot):
    make_model("stub", engine="noted")
    slot = open_slot()
    for _ in range(2):
        make_running_batch(*lines(1))
        slot.serve()

    assert events == ["start stub"] and statuses() == ["completed", "completed"]


def test_closing_it_stops_the_engine(open_slot):
    make_model("stub", engine="noted")
    make_running_batch(*lines(1))
    slot = open_slot()
    slot.serve()

    slot.close()
    slot.close()

    assert events == ["start stub", "stop stub"]


def test_it_serves_one_model_after_the_other(open_slot):
    make_model("stub", engine="noted")
    make_model("stub-2", engine="noted")
    make_running_batch(*lines(2), priority=1)
    make_running_batch(*lines(2, model="stub-2"))

    open_slot().serve()

    assert statuses() == ["completed", "completed"]
    assert events == ["start stub", "stop stub", "start stub-2"]


def test_a_model_whose_arguments_changed_is_loaded_again(open_slot):
    model = make_model("stub", engine="noted")
    slot = open_slot()
    make_running_batch(*lines(1))
    slot.serve()
    model.engine_args = {"concurrency": 2}
    model.save()
    make_running_batch(*lines(1))

    slot.serve()

    assert events == ["start stub", "stop stub", "start stub"]


def test_a_model_that_does_not_load_does_not_hold_up_the_others(open_slot):
    make_model("bad", engine="noted", source="broken")
    make_model("stub", engine="noted")
    bad = make_running_batch(*lines(1, model="bad"), priority=1)
    good = make_running_batch(*lines(1))

    open_slot().serve()

    assert end(good).status == "completed" and end(bad).status == "in_progress"
    assert events.count("start bad") == 1


def test_a_model_that_does_not_load_is_told_about(open_slot):
    make_model("stub", engine="noted", source="broken")
    make_running_batch(*lines(1))
    slot = open_slot()

    slot.serve()

    assert (slot._pulse.state, slot._pulse.reason) == ("idle", "no such weights")


def test_an_engine_that_dies_of_anything_is_stopped_and_its_lines_wait(open_slot):
    make_model("stub", engine="noted", source="dying")
    batch = make_running_batch(*lines(2))

    open_slot().serve()

    batch.refresh_from_db()
    assert (batch.status, batch.completed, batch.failed) == ("in_progress", 0, 0)
    assert events == ["start stub", "stop stub"] * 3


def test_a_model_is_loaded_before_its_first_batch_if_asked_for(open_slot):
    make_model("stub", engine="noted")

    open_slot(preload="stub").serve()

    assert events == ["start stub"]


def test_a_model_to_preload_that_is_not_there_is_no_trouble(open_slot):
    open_slot(preload="nope").serve()

    assert events == []


def test_it_drains_when_the_supervisor_closes_the_pipe(open_slot):
    make_model("stub", engine="noted")
    batch = make_running_batch(*lines(1))
    read_end, write_end = os.pipe()
    slot = open_slot(drain_fd=read_end, preload="stub")
    os.close(write_end)

    slot.serve()
    os.close(read_end)

    assert slot._pulse.state == "draining" and events[-1] == "stop stub"
    batch.refresh_from_db()
    assert batch.failed == 0


def hours_that_are_over() -> str:
    hour = (timezone.now().hour + 3) % 24
    return f"{hour}:00-{(hour + 1) % 24}:00"


def test_outside_its_hours_the_worker_frees_the_gpu_and_says_so(open_slot, configure):
    make_model("stub", engine="noted")
    make_running_batch(*lines(1))
    slot = open_slot()
    slot.serve()
    make_running_batch(*lines(1))
    configure(WORKER_HOURS=hours_that_are_over())

    slot.serve()

    assert events == ["start stub", "stop stub"]
    assert slot._pulse.state == "paused" and "outside its hours" in slot._pulse.reason


def test_a_model_outside_its_hours_waits_with_a_reason(open_slot):
    make_model("stub", engine="noted", run_hours=hours_that_are_over())
    batch = make_running_batch(*lines(1))
    slot = open_slot()

    slot.serve()

    batch.refresh_from_db()
    assert (batch.completed, events) == (0, [])
    assert (slot._pulse.state, slot._pulse.reason) == ("idle", CLOSED)


def test_a_model_that_waited_long_enough_gets_its_turn(open_slot, configure):
    configure(WORKER_QUANTUM_SECONDS=0, WORKER_PATIENCE_SECONDS=0, WORKER_WINDOW=1)
    make_model("stub", engine="noted")
    make_model("stub-2", engine="noted")
    make_running_batch(*lines(40, "SLEEP 0.02 a"), priority=1)
    make_running_batch(*lines(1, model="stub-2"))

    open_slot().serve()

    assert statuses() == ["completed", "completed"]
    assert events[:5] == [
        "start stub", "stop stub", "start stub-2", "stop stub-2", "start stub",
    ]  # fmt: skip


def test_its_heartbeat_says_who_it_is(open_slot):
    slot = open_slot()

    slot.close()

    beat = Heartbeat.objects.get(slot="gpu7")
    assert beat.owner == slot.owner and slot.owner.startswith("gpu7@")
    assert (beat.pid, beat.state) == (os.getpid(), "idle")
