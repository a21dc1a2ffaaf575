"""Rates over time, from what batches made between two moments."""

from datetime import UTC, datetime, timedelta

import pytest

from monitoring.console.history import rates
from monitoring.console.plots import plot

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
SINCE = NOW - timedelta(seconds=100)


def at(seconds):
    return SINCE + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("work", "expected"),
    [
        ((0, 20, 40), [2, 2, 0, 0, 0, 0, 0, 0, 0, 0]),
        ((5, 15, 10), [0.5, 0.5, 0, 0, 0, 0, 0, 0, 0, 0]),
        ((-100, 10, 110), [1, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
        ((90, None, 30), [0, 0, 0, 0, 0, 0, 0, 0, 0, 3]),
        ((50, 50, 10), [0, 0, 0, 0, 0, 1, 0, 0, 0, 0]),
    ],
)
def test_work_is_spread_over_its_time(work, expected):
    began, ended, amount = work
    span = (at(began), None if ended is None else at(ended), amount)

    assert rates([span], SINCE, NOW, count=10) == pytest.approx(expected)


def test_what_lies_in_the_future_or_the_past_is_left_out():
    far = [(at(-500), at(-400), 10), (at(500), at(600), 10)]

    assert sum(rates(far, SINCE, NOW, count=10)) == 0


def test_a_plot_of_nothing_is_a_flat_line():
    drawn = plot("k", "t", "u", [0.0] * 72, (NOW - timedelta(hours=6), NOW))

    assert (
        drawn.most == 0
        and len({point.split(" ")[1] for point in drawn.line[1:].split(" L")}) == 1
    )
    assert [text for _, text in drawn.columns] == [f"{h:02}:00" for h in range(7, 12)]
