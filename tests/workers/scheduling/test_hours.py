"""Times of day, over midnight and over the change of clocks."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from workers.scheduling.hours import BadHours, parse_hours

BERLIN = ZoneInfo("Europe/Berlin")


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-{text}").replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "open_at", "closed_at"),
    [
        ("09:00-17:00", ("09:00", "16:59"), ("08:59", "17:00")),
        ("22:00-08:00", ("22:00", "23:59", "00:00", "07:59"), ("08:00", "21:59")),
        ("22:00-24:00,00:00-06:00", ("23:59", "00:00", "05:59"), ("06:00",)),
        ("1:00-2:00, 3:00-4:00", ("01:30", "03:30"), ("00:30", "02:30", "04:00")),
        ("", ("00:00", "12:00"), ()),
        ("00:00-24:00", ("00:00", "23:59"), ()),
        ("08:00-20:00,20:00-08:00", ("08:00", "20:00", "03:00"), ()),
    ],
)
def test_hours_are_open_from_begin_to_end(text, open_at, closed_at):
    hours = parse_hours(text)

    assert all(hours.is_open(at(f"05-05 {time}"), UTC) for time in open_at)
    assert not any(hours.is_open(at(f"05-05 {time}"), UTC) for time in closed_at)


@pytest.mark.parametrize(
    ("now", "closes", "opens"),
    [
        ("05-05 23:00", "05-06 08:00", "05-05 23:00"),
        ("05-05 03:00", "05-05 08:00", "05-05 03:00"),
        ("05-05 12:00", "05-05 12:00", "05-05 22:00"),
    ],
)
def test_a_night_ends_in_the_morning(now, closes, opens):
    hours = parse_hours("22:00-08:00")

    assert hours.closes_at(at(now), UTC) == at(closes)
    assert hours.opens_at(at(now), UTC) == at(opens)


def test_spans_that_meet_at_midnight_are_one():
    hours = parse_hours("20:00-24:00,00:00-02:00")

    assert hours.closes_at(at("05-05 21:00"), UTC) == at("05-06 02:00")


def test_always_never_ends():
    assert parse_hours("").closes_at(at("05-05 12:00"), UTC) is None


def test_hours_are_read_on_the_zones_clock():
    hours = parse_hours("22:00-08:00")

    assert hours.is_open(at("07-01 20:30"), BERLIN)
    assert not hours.is_open(at("01-01 20:30"), BERLIN)


@pytest.mark.parametrize(
    ("evening", "morning"),
    [("03-28 21:00", "03-29 06:00"), ("10-24 20:00", "10-25 07:00")],
)
def test_a_night_with_a_change_of_clocks_is_an_hour_off(evening, morning):
    hours = parse_hours("22:00-08:00")

    assert hours.is_open(at(evening), BERLIN)
    assert hours.closes_at(at(evening), BERLIN) == at(morning)


def test_hours_that_the_clocks_skip_come_an_hour_later():
    hours = parse_hours("02:15-02:45")

    assert hours.opens_at(at("03-29 00:00"), BERLIN) == at("03-29 01:15")


@pytest.mark.parametrize(
    "text",
    ["22-8", "22:00", "25:00-01:00", "10:60-11:00", "24:00-01:00", "01:00-24:30"]
    + ["10:00-10:00", ",", "night", "10:00-11:00;12:00-13:00", "-1:00-02:00"],
)
def test_anything_else_is_refused_with_a_sentence(text):
    with pytest.raises(BadHours, match=r"."):
        parse_hours(text)
