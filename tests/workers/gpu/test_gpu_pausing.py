"""A slot whose card is unwell: it pauses, says so, and goes on by itself."""

import asyncio
import os
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.conf import settings as django_settings

from batches import actions
from batches.models import BatchJob, Chunk
from tests.factories import lines, make_model, make_running_batch
from tests.workers.gpu.fake_driver import GIB, FakeCard, FakeDriver, install
from tests.workers.runs import end, in_thread, union
from tests.workers.warm_slots import OpenSlot, opening
from vllm_batch.lib.clock import database_now
from workers.database import disconnect
from workers.engines.base import Answer
from workers.engines.stub import StubEngine
from workers.models import Heartbeat
from workers.running import feeding
from workers.slots import pausing
from workers.slots import slot as slot_module
from workers.slots.slot import Slot

pytestmark = pytest.mark.django_db(transaction=True)

PATIENCE_SECONDS = 60
HOT, COOL = 95, 40
# What happens at which post, and what happened to engines.
hooks: dict[int, Callable[[], Any]] = {}
events: list[str] = []
posts: list[str] = []


class Noted(StubEngine):
    """A stub engine that calls the test's hooks, and notes its life."""

    async def start(self) -> None:
        events.append("start")

    async def post(self, url: str, body: bytes) -> Answer:
        posts.append(url)
        if hook := hooks.get(len(posts)):
            await in_thread(hook)
        # Each line takes a moment: the card must be looked at before all are through.
        await asyncio.sleep(0.02)
        return await super().post(url, body)

    async def stop(self) -> None:
        events.append("stop")


@pytest.fixture
def card() -> FakeCard:
    """The machine's card."""
    return FakeCard(celsius=COOL)


@pytest.fixture(autouse=True)
def driver(
    monkeypatch: pytest.MonkeyPatch, configure: Any, settings: Any, card: FakeCard
) -> Iterator[FakeDriver]:
    """The machine's driver; all that waits is quick."""
    for noted in (events, posts, hooks):
        noted.clear()
    monkeypatch.setattr(feeding, "LINGER_SECONDS", 0.0)
    monkeypatch.setattr(feeding, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(feeding, "ROOM_SECONDS", 0.01)
    monkeypatch.setattr(pausing, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(pausing, "FIT_SECONDS", 0.01)
    monkeypatch.setattr(slot_module, "COOLING_SECONDS", 0.0)
    monkeypatch.setattr("workers.slots.pulse.LONGEST_BEAT_SECONDS", 0.02)
    configure(
        GPU_READ_SECONDS=0.02,
        GPU_PAUSE_SECONDS=0,
        GPU_RESUME_SECONDS=0,
        WORKER_SEGMENT_SECONDS=0.02,
        WORKER_WINDOW=2,
    )
    settings.ENGINES = {**django_settings.ENGINES, "noted": f"{__name__}.Noted"}
    make_model("stub", engine="noted")
    driver = install(monkeypatch, card)
    yield driver
    driver.answers.set()


@pytest.fixture
def open_slot() -> Iterator[OpenSlot]:
    """A function that opens a slot, which is closed at the end."""
    with opening() as open_slot:
        yield open_slot


class Meanwhile(threading.Thread):
    """Does something while the slot serves, once the heartbeat says something."""

    def __init__(self, is_so: Callable[[Heartbeat], bool], *then: Callable[[], Any]):
        super().__init__(daemon=True)
        self.seen: Heartbeat | None = None
        self.posts = 0
        self._is_so, self._then = is_so, then
        self.start()

    def run(self) -> None:
        ends_at = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < ends_at:
            beat = Heartbeat.objects.filter(slot="gpu7").first()
            if beat and self._is_so(beat):
                self.seen, self.posts = beat, len(posts)
                break
            time.sleep(0.01)
        for work in self._then:
            work()
        disconnect()


def is_paused(beat: Heartbeat) -> bool:
    return beat.state == "paused" and beat.gpu != {}


def test_a_hot_card_pauses_the_slot_and_it_goes_on_by_itself(card, open_slot):
    batch = make_running_batch(*lines(40))
    slot = open_slot()
    hooks[5] = lambda: wait_until_paused(card, slot)
    meanwhile = Meanwhile(is_paused, lambda: card.change(celsius=COOL))

    slot.serve()

    assert end(batch).status == "completed" and len(union(batch)) == 40
    assert meanwhile.seen and "95 °C" in meanwhile.seen.reason
    assert (meanwhile.seen.gpu["celsius"], meanwhile.seen.gpu["state"]) == (
        HOT,
        "paused",
    )
    assert events == ["start"] and slot._pulse.state == "idle"


def wait_until_paused(card: FakeCard, slot: Slot) -> None:
    """Heat the card, and stay in flight until the slot knows."""
    card.change(celsius=HOT)
    ends_at = time.monotonic() + PATIENCE_SECONDS
    while slot._pulse.state != "paused" and time.monotonic() < ends_at:
        time.sleep(0.005)


def test_while_it_pauses_nothing_starts_and_what_is_in_flight_ends(card, open_slot):
    batch = make_running_batch(*lines(40))
    slot = open_slot()
    hooks[5] = lambda: wait_until_paused(card, slot)
    done: list[int] = []

    def look_twice() -> None:
        done.append(len(posts))
        time.sleep(0.3)
        done.append(len(posts))
        card.change(celsius=COOL)

    def is_still(beat: Heartbeat) -> bool:
        return is_paused(beat) and beat.requests_in_flight == 0

    meanwhile = Meanwhile(is_still, look_twice)
    slot.serve()

    assert done[0] == done[1] < 40
    assert meanwhile.seen and meanwhile.seen.requests_done == done[0]
    assert end(batch).status == "completed"


def test_a_batch_is_cancelled_while_the_slot_pauses(card, open_slot):
    batch = make_running_batch(*lines(40))
    slot = open_slot()
    hooks[5] = lambda: wait_until_paused(card, slot)

    def cancel() -> None:
        actions.cancel(BatchJob.objects.get(pk=batch.pk))
        ends_at = time.monotonic() + PATIENCE_SECONDS
        while Chunk.objects.exclude(lease_owner="") and time.monotonic() < ends_at:
            time.sleep(0.01)
        freed.append(not Chunk.objects.exclude(lease_owner=""))
        card.change(celsius=COOL)

    freed: list[bool] = []
    Meanwhile(is_paused, cancel)
    slot.serve()

    assert freed == [True] and end(batch).status == "cancelled"
    assert len(union(batch)) == 40 and len(posts) < 40


def test_no_model_is_loaded_while_strangers_hold_the_memory(card, open_slot):
    card.change(used=9 * GIB, compute=[(4242, 8 * GIB)])
    batch = make_running_batch(*lines(3))
    slot = open_slot()
    while slot._card.verdict().may_load:
        time.sleep(0.005)
    meanwhile = Meanwhile(is_paused, lambda: card.change(used=GIB, compute=[]))

    slot.serve()

    assert meanwhile.seen and "4242" in meanwhile.seen.reason and meanwhile.posts == 0
    assert end(batch).status == "completed"


def test_a_long_pause_hands_the_chunks_back(card, open_slot, configure):
    configure(GPU_HANDBACK_SECONDS=0.05)
    batch = make_running_batch(*lines(40))
    slot = open_slot()
    hooks[5] = lambda: wait_until_paused(card, slot)
    free: list[int] = []

    def wait_for_chunks() -> None:
        ends_at = time.monotonic() + PATIENCE_SECONDS
        unheld = Chunk.objects.filter(is_done=False, lease_owner="")
        while not unheld.exists() and time.monotonic() < ends_at:
            time.sleep(0.01)
        free.append(unheld.count())
        card.change(celsius=COOL)

    Meanwhile(is_paused, wait_for_chunks)
    slot.serve()

    assert free == [1] and events == ["start"]
    assert end(batch).status == "completed" and len(union(batch)) == 40


def test_a_slot_that_pauses_drains_at_once(card, open_slot):
    batch = make_running_batch(*lines(40))
    read_end, write_end = os.pipe()
    slot = open_slot(drain_fd=read_end)
    hooks[5] = lambda: wait_until_paused(card, slot)
    Meanwhile(is_paused, lambda: os.close(write_end))

    slot.serve()
    os.close(read_end)

    assert slot._pulse.state == "draining" and events == ["start", "stop"]
    batch.refresh_from_db()
    assert (batch.status, batch.failed) == ("in_progress", 0)
    assert not Chunk.objects.exclude(lease_owner="")


def test_an_uncorrectable_memory_error_drops_the_window_and_builds_the_engine_anew(
    card, open_slot
):
    card.change(ecc={(1, 0): 0})
    batch = make_running_batch(*lines(10, "SLEEP 0.01"))
    slot = open_slot()

    def break_memory() -> None:
        card.change(ecc={(1, 0): 1})
        ends_at = time.monotonic() + PATIENCE_SECONDS
        while events.count("start") < 2 and time.monotonic() < ends_at:
            time.sleep(0.005)

    hooks[4] = break_memory
    while not slot._card.as_json():
        time.sleep(0.005)

    slot.serve()

    assert events == ["start", "stop", "start"]
    assert end(batch).status == "completed" and batch.failed == 0
    assert len(posts) > 10  # the window's lines ran again


def test_a_lost_card_frees_the_chunks_stops_the_engine_and_stays_paused(
    card, open_slot, settings
):
    settings.GPU_TASK_SECONDS = 1
    batch = make_running_batch(*lines(40, "SLEEP 0.01"))
    slot = open_slot()
    hooks[5] = card.lose

    slot.serve()
    slot.close()

    beat = Heartbeat.objects.get(slot="gpu7")
    assert beat.gpu["state"] == "drained" and "GPU is lost" in beat.gpu["reason"]
    assert events == ["start", "stop"]
    assert not Chunk.objects.exclude(lease_owner="")
    batch.refresh_from_db()
    assert (batch.status, batch.failed) == ("in_progress", 0)


def test_the_next_process_of_the_worker_does_not_touch_a_drained_card(
    card, open_slot, settings
):
    settings.GPU_TASK_SECONDS = 0.3
    make_running_batch(*lines(3))
    first = open_slot()
    card.xids = [79]
    wait_for_beat(gpu__state="drained")
    first.close()

    second = open_slot()
    second.serve()

    assert events == [] and posts == []
    assert "Xid 79" in second._card.verdict().reason


def test_the_admin_shows_the_card(admin_client, card, open_slot):
    card.change(celsius=71, clock_reasons=0x04, used=12 * GIB)
    slot = open_slot()
    beat = wait_for_beat(gpu__celsius=71)
    slot.close()

    listed = admin_client.get("/admin/vllm_workers/heartbeat/").content.decode()
    page = admin_client.get(f"/admin/vllm_workers/heartbeat/{beat.pk}/change/")

    assert "71 °C · 12.0 of 16.0 GiB · 97 %" in listed
    text = page.content.decode()
    assert "NVIDIA GeForce RTX 4080" in text and "power cap" in text
    assert "250 W of 320 W" in text or "251 W of 320 W" in text


def wait_for_beat(**fields: Any) -> Heartbeat:
    """Wait until the heartbeat says this; return it."""
    ends_at = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < ends_at:
        if beat := Heartbeat.objects.filter(**fields).first():
            return beat
        time.sleep(0.01)
    raise AssertionError(f"no heartbeat says {fields}")


def test_the_admin_says_that_there_is_no_gpu(admin_client):
    now = database_now()
    Heartbeat.objects.create(host="a", slot="b", pid=1, beat_at=now, progress_at=now)

    assert (
        "no GPU" in admin_client.get("/admin/vllm_workers/heartbeat/").content.decode()
    )
