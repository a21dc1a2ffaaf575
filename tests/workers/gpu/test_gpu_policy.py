"""The pausing policy: readings and times in, verdicts out."""

from typing import Any

import pytest

from workers.gpu.policy import History, Limits, Policy, State, Verdict
from workers.gpu.reading import CardProcess, Reading

GIB = 1 << 30


class Card:
    """A policy that is shown a reading every five seconds."""

    def __init__(self, *, history: History | None = None, **limits: Any) -> None:
        self.policy = Policy(Limits(**limits), history)
        self.now = 1000.0

    def show(self, seconds: float = 0, **values: Any) -> Verdict:
        """Show the same for so long; return the last verdict."""
        details = {
            k: values.pop(k) for k in ("ours", "is_loaded", "xids") if k in values
        }
        reading = Reading(
            **{"slowdown_celsius": 90, "memory_total": 16 * GIB, **values}
        )
        verdict = self.policy.judge(reading, self.now, **details)
        for _ in range(int(seconds / 5)):
            self.now += 5
            verdict = self.policy.judge(reading, self.now, **details)
        return verdict


def test_it_pauses_three_degrees_below_the_slowdown_after_half_a_minute():
    card = Card()

    assert card.show(25, celsius=87).state == State.OK
    verdict = card.show(10, celsius=87)

    assert verdict.state == State.PAUSED and not verdict.may_run
    assert verdict.reason == "the GPU is at 87 °C; it goes on at 78 °C"


def test_a_short_peak_does_not_pause():
    card = Card()
    for _ in range(5):
        card.show(25, celsius=89)
        verdict = card.show(0, celsius=86)

    assert verdict.state == State.OK


def test_it_goes_on_once_it_was_cool_for_a_minute():
    card = Card()
    card.show(30, celsius=88)

    assert card.show(120, celsius=80).state == State.PAUSED
    assert card.show(55, celsius=78).state == State.PAUSED
    assert card.show(10, celsius=78).state == State.OK


def test_settings_replace_the_cards_own_temperatures():
    card = Card(pause_celsius=70, resume_celsius=50, pause_seconds=0, resume_seconds=0)

    assert card.show(celsius=70).state == State.PAUSED
    assert card.show(5, celsius=51).state == State.PAUSED
    assert card.show(5, celsius=50).state == State.OK


def test_it_never_goes_on_hotter_than_it_pauses():
    card = Card(resume_celsius=100, pause_seconds=0, resume_seconds=0)

    assert card.show(celsius=90).state == State.PAUSED
    assert card.show(5, celsius=87).state == State.PAUSED
    assert card.show(5, celsius=86).state == State.OK


def test_a_card_without_a_threshold_pauses_at_85():
    card = Card()

    assert card.show(60, celsius=84, slowdown_celsius=None).state == State.OK
    assert card.show(60, celsius=85, slowdown_celsius=None).state == State.PAUSED


def test_a_card_that_tells_nothing_is_well():
    assert Card().show(600).state == State.OK


@pytest.mark.parametrize("bit", [0x20, 0x40, 0x80])
def test_it_pauses_when_the_card_protects_itself_in_six_of_ten_samples(bit):
    card = Card()
    for _ in range(5):
        verdict = card.show(0, clock_reasons=bit)
    assert verdict.state == State.OK

    assert card.show(0, clock_reasons=bit).state == State.PAUSED
    assert card.show(55, clock_reasons=0).state == State.PAUSED
    assert card.show(10, clock_reasons=0).state == State.OK


@pytest.mark.parametrize("bits", [0x01, 0x04, 0x02, 0x100])
def test_power_caps_and_idling_are_normal(bits):
    assert Card().show(600, clock_reasons=bits).state == State.OK


def test_three_pauses_in_an_hour_halve_the_window_for_an_hour():
    card = Card(pause_seconds=0, resume_seconds=5)
    shares = []
    for _ in range(3):
        card.show(celsius=95)
        shares.append(card.show(10, celsius=40).share)

    assert shares == [1.0, 1.0, 0.5]
    assert card.show(3700, celsius=40).share == 1.0


def test_an_uncorrectable_error_asks_for_a_new_engine_and_a_second_one_drains():
    card = Card()
    assert not card.show(ecc_uncorrected=3).restart  # old ones

    first = card.show(ecc_uncorrected=4)
    assert first.restart and first.state == State.OK
    assert not card.show(60, ecc_uncorrected=4).restart
    second = card.show(ecc_uncorrected=5)

    assert second.state == State.DRAINED and "twice" in second.reason


def test_errors_a_day_apart_do_not_drain():
    card = Card()
    card.show(ecc_uncorrected=0)
    card.show(ecc_uncorrected=1)
    card.now += 86_401

    assert card.show(ecc_uncorrected=2).state == State.OK


def test_a_count_that_starts_anew_is_no_error():
    card = Card()
    card.show(ecc_uncorrected=9)

    assert not card.show(ecc_uncorrected=0).restart


def test_a_failed_remap_drains_and_a_pending_one_lets_no_model_load():
    pending = Card().show(is_remap_pending=True)
    failed = Card().show(is_remap_failed=True)

    assert pending.may_run and not pending.may_load and pending.warning
    assert failed.state == State.DRAINED


@pytest.mark.parametrize("xid", [48, 64, 74, 79, 95, 119])
def test_errors_of_the_card_drain_it(xid):
    verdict = Card().show(xids=[xid])

    assert verdict.state == State.DRAINED and f"Xid {xid}" in verdict.reason


@pytest.mark.parametrize("xid", [13, 31, 43, 45, 63, 92, 94])
def test_errors_of_a_process_ask_for_a_new_engine(xid):
    verdict = Card().show(xids=[xid])

    assert verdict.state == State.OK and f"Xid {xid}" in verdict.restart


def test_unknown_errors_change_nothing():
    assert Card().show(xids=[8]) == Verdict()


def test_a_drained_card_stays_drained_with_its_first_reason():
    card = Card()
    card.show(xids=[79])
    card.show(xids=[48])

    later = card.show(7200, celsius=30)
    heir = Card(history=card.policy.history).show(celsius=30)

    assert "Xid 79" in later.reason and heir == later


def test_strangers_memory_lets_no_model_load_and_only_warns_one_that_runs():
    strangers = (CardProcess(7, 3 * GIB),)

    empty = Card().show(processes=strangers)
    loaded = Card().show(processes=strangers, is_loaded=True)

    assert empty.state == State.TAKEN and empty.may_run and not empty.may_load
    assert "3.0 of 16.0 GiB" in empty.reason and "7" in empty.reason
    assert loaded.state == State.OK and loaded.warning == empty.reason


def test_our_own_processes_are_no_strangers():
    ours = (CardProcess(7, 12 * GIB),)

    verdict = Card().show(
        memory_used=12 * GIB, processes=ours, ours={7}, is_loaded=True
    )

    assert verdict == Verdict()


def test_a_desktop_is_no_stranger():
    assert Card().show(processes=(CardProcess(7, GIB),), memory_used=GIB) == Verdict()


def test_strangers_that_are_hidden_show_by_the_memory_in_use():
    verdict = Card().show(processes=(), memory_used=9 * GIB)

    assert verdict.state == State.TAKEN and "not shown" in verdict.reason


def test_the_share_for_strangers_is_a_setting():
    card = Card(strangers_percent=50)

    assert card.show(memory_used=7 * GIB).state == State.OK
    assert card.show(memory_used=9 * GIB).state == State.TAKEN
