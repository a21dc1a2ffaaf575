"""The thread that reads the card: what it knows, and what it does when it cannot."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pynvml
import pytest

from tests.workers.gpu.fake_driver import GIB, FakeCard, FakeDriver, install, remove
from workers.gpu.policy import State
from workers.gpu.watch import CardWatch

# A thread of our own is waited for so long at most, on a machine that is busy.
PATIENCE_SECONDS = 60


@pytest.fixture
def card() -> FakeCard:
    """The machine's card."""
    return FakeCard()


@pytest.fixture(autouse=True)
def driver(
    monkeypatch: pytest.MonkeyPatch, configure: Any, card: FakeCard
) -> Iterator[FakeDriver]:
    """The machine's driver, read often; hanging calls return at the end."""
    configure(GPU_READ_SECONDS=0.02, GPU_PAUSE_SECONDS=0, GPU_RESUME_SECONDS=0)
    driver = install(monkeypatch, card)
    yield driver
    driver.answers.set()


@pytest.fixture
def watch() -> Iterator[Callable[..., CardWatch]]:
    """A function that starts a watch, which ends with the test."""
    started: list[CardWatch] = []

    def watch(**options: Any) -> CardWatch:
        started.append(CardWatch(**options))
        started[-1].start()
        return started[-1]

    yield watch
    for one in started:
        one.end()


def becomes(watch: CardWatch, state: State) -> str:
    """Wait until the card is in this state; return the reason."""
    ends_at = time.monotonic() + PATIENCE_SECONDS
    while (verdict := watch.verdict()).state != state:
        assert time.monotonic() < ends_at, verdict
        time.sleep(0.005)
    return verdict.reason


def until(is_so: Callable[[], object]) -> None:
    ends_at = time.monotonic() + PATIENCE_SECONDS
    while not is_so():
        assert time.monotonic() < ends_at
        time.sleep(0.005)


def test_it_follows_a_card_that_heats_up_and_cools_down(card, watch):
    card.script = [{"celsius": celsius} for celsius in (60, 80, 86, 87)]
    seen = watch()
    assert "87 °C" in becomes(seen, State.PAUSED)

    read = card.readings
    card.celsius = 79
    until(lambda: card.readings > read + 3)
    assert seen.verdict().state == State.PAUSED

    card.celsius = 78
    becomes(seen, State.OK)


def test_the_heartbeat_is_told_reading_and_verdict(card, watch):
    seen = watch()
    until(lambda: card.readings)
    until(seen.as_json)

    told = seen.as_json()

    assert (told["celsius"], told["memory_total"]) == (60, 16 * GIB)
    assert (told["state"], told["reason"]) == ("ok", "")


def test_without_a_gpu_there_is_nothing_to_tell_and_nothing_pauses(monkeypatch, watch):
    remove(monkeypatch)
    seen = watch()
    until(lambda: seen._is_absent)

    assert seen.as_json() == {} and seen.verdict().may_load


def test_a_card_that_may_not_be_watched_is_not_read(card, watch, configure):
    configure(GPU_WATCH=False)
    card.lose()
    seen = watch()
    seen.join(PATIENCE_SECONDS)

    assert seen.verdict().state == State.OK and card.readings == 0


def test_one_reading_that_fails_changes_nothing(card, watch, configure):
    configure(GPU_READ_SECONDS=0.5)
    seen = watch()
    until(seen.as_json)
    card.errors["*"] = pynvml.NVML_ERROR_UNKNOWN

    assert seen.verdict().state == State.OK


def test_a_driver_that_hangs_is_noticed_and_forgiven(driver, card, watch):
    seen = watch()
    until(lambda: card.readings > 2)

    driver.answers.clear()
    reason = becomes(seen, State.UNKNOWN)
    driver.answers.set()

    assert reason == "NVML tells nothing of the GPU: its driver hangs"
    becomes(seen, State.OK)


def test_a_watch_that_was_never_started_has_nothing_against_any_line():
    watch = CardWatch()
    time.sleep(0.3)  # longer than the silence after which a driver is said to hang
    assert watch.verdict().may_run


def test_a_driver_that_hangs_holds_up_no_one_who_ends_the_watch(driver, watch):
    driver.answers.clear()
    seen = watch()
    becomes(seen, State.UNKNOWN)

    seen.end()  # returns

    assert seen.is_alive()


def test_errors_that_go_on_are_told_with_their_words(driver, watch):
    driver.init_error = pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH

    assert "version mismatch" in becomes(watch(), State.UNKNOWN)


def test_a_lost_card_is_drained_even_if_it_comes_back(card, watch):
    seen = watch()
    card.lose()
    reason = becomes(seen, State.DRAINED)
    card.errors.clear()
    read = card.readings
    until(lambda: card.readings > read + 2)

    assert "GPU is lost" in reason and seen.verdict().state == State.DRAINED


def test_the_drivers_error_is_heard_between_two_readings(card, watch, configure):
    configure(GPU_READ_SECONDS=600)
    card.xids = [79]

    assert "Xid 79" in becomes(watch(), State.DRAINED)


def test_a_new_process_remembers_a_drained_card(card, watch):
    first = watch()
    card.xids = [48]
    becomes(first, State.DRAINED)

    heir = CardWatch(remembered=first.as_json())

    assert heir.verdict() == first.verdict()


def test_a_new_process_remembers_a_memory_error(card, watch):
    card.script = [{"ecc": {(1, 0): n}} for n in (0, 1)]
    first = watch()
    until(first.take_restart)
    told = first.as_json()
    card.script = [{"ecc": {(1, 0): n}} for n in (1, 2)]

    assert "twice" in becomes(watch(remembered=told), State.DRAINED)


@pytest.mark.parametrize("told", [None, {}, [], "x", {"state": "ok"}])
def test_what_another_version_told_is_no_trouble(told):
    assert CardWatch(remembered=told).verdict().state == State.OK
