"""Which model a worker serves next, and until when."""

from math import inf
from typing import Any

import pytest

from workers.scheduling.policy import (
    CLOSED,
    COOLING,
    SERVED,
    Demand,
    Due,
    Place,
    Terms,
    choose,
    urgent_until,
)

HOUR = 3600.0
TERMS = Terms(
    quantum_seconds=300, patience_seconds=4 * HOUR, margin_seconds=100, drain_seconds=60
)


def demand(model: str, *dues: tuple[float, float], **facts: Any) -> Demand:
    """Return a demand with no deadline near, unless told otherwise."""
    due = [Due(*one) for one in dues] or [Due(24 * HOUR, 60)]
    return Demand(**{"model": model, "dues": due, "swap_seconds": 50.0, **facts})


def chosen(*demands: Demand, **place: Any) -> str | None:
    return choose(demands, Place(**{"now": 0.0, **place}), TERMS).model


A, B = demand("a"), demand("b")


def test_nothing_is_served_when_nothing_waits():
    assert chosen(loaded="a") is None


def test_a_loaded_model_stays_while_it_has_work():
    earlier = demand("b", (2 * HOUR, 60))

    assert chosen(A, earlier, loaded="a") == "a"


def test_a_loaded_model_without_work_gives_way_to_the_earliest_deadline():
    earlier = demand("b", (2 * HOUR, 60))

    assert chosen(A, earlier, loaded="c") == "b"
    assert chosen(A, earlier) == "b"


def test_a_higher_priority_is_loaded_before_an_earlier_deadline():
    earlier, wished = demand("b", (2 * HOUR, 60)), demand("c", priority=5)

    assert chosen(A, earlier, wished) == "c"


@pytest.mark.parametrize(
    ("deadline", "expected"),
    [
        (60 + 50 + 100 - 1, "b"),  # work, swap and margin do not fit any more
        (60 + 50 + 100 + 1, "a"),
    ],
)
def test_a_deadline_at_risk_takes_the_gpu_whatever_the_quantum(deadline, expected):
    assert chosen(A, demand("b", (deadline, 60)), loaded="a") == expected


def test_a_deadline_at_risk_comes_before_a_priority():
    wished = demand("c", priority=100)

    assert chosen(wished, demand("b", (100, 60))) == "b"


def test_of_two_deadlines_at_risk_the_earlier_one_is_served():
    assert chosen(A, demand("c", (110, 60)), demand("b", (100, 60))) == "b"


def test_a_loaded_model_whose_deadline_is_the_first_at_risk_stays():
    assert chosen(demand("a", (90, 60)), demand("b", (100, 60)), loaded="a") == "a"


def test_work_due_earlier_counts_against_a_later_deadline():
    many = demand("b", (900, 400), (1000, 500))

    assert chosen(A, many, loaded="a") == "b"


def test_two_models_that_fit_alone_but_not_together_are_begun_in_time():
    """Each has an hour to spare alone; together they need every minute."""
    both = [demand(name, (2 * HOUR, 3501.0)) for name in "bc"]

    assert chosen(A, *both, loaded="a") == "b"
    assert chosen(A, *both, loaded="a", workers=2) == "a"


def test_the_loaded_one_of_two_that_fit_barely_goes_on():
    both = [demand(name, (2 * HOUR, 3501.0)) for name in "bc"]

    assert chosen(A, *both, loaded="c") == "c"


PATIENT = demand("b", waiting_since=-4 * HOUR)


@pytest.mark.parametrize(
    ("loaded_at", "waiting_since", "expected"),
    [
        (-301, -4 * HOUR, "b"),
        (-299, -4 * HOUR, "a"),  # its quantum is not over
        (-301, -4 * HOUR + 1, "a"),
    ],
)
def test_a_model_that_waited_long_gets_a_turn(loaded_at, waiting_since, expected):
    waiting = demand("b", waiting_since=waiting_since)

    assert chosen(A, waiting, loaded="a", loaded_at=loaded_at) == expected


def test_the_one_that_waited_longest_is_first():
    longer = demand("c", waiting_since=-5 * HOUR)

    assert chosen(A, PATIENT, longer, loaded="a") == "c"


@pytest.mark.parametrize(
    ("facts", "why"), [({"is_cooling": True}, COOLING), ({"is_open": False}, CLOSED)]
)
def test_a_model_that_failed_or_is_closed_is_left_alone(facts, why):
    out = demand("a", **facts)

    assert chosen(out, B, loaded="a") == "b"
    assert choose([out], Place(now=0.0), TERMS) == (None, inf, why)


def test_a_turn_ends_so_that_all_has_ended_when_the_hours_do():
    turn = choose([demand("a", closes_at=1000.0)], Place(now=0.0), TERMS)

    assert (turn.model, turn.until) == ("a", 940.0)


def test_the_workers_own_hours_end_a_turn_too():
    turn = choose([A], Place(now=0.0, closes_at=500.0), TERMS)

    assert turn.until == 440.0


@pytest.mark.parametrize(
    ("loaded", "closes_at", "expected"),
    [("", 100, None), ("", 120, "a"), ("a", 70, "a"), ("a", 60, None)],
)
def test_nothing_is_begun_that_the_hours_leave_no_time_for(loaded, closes_at, expected):
    """It takes 50 s to load, and 60 s to drain."""
    assert chosen(demand("a", closes_at=closes_at), loaded=loaded) == expected


def served(model: str, *dues: tuple[float, float]) -> Demand:
    return demand(model, *dues, others=1)


def test_a_model_that_another_worker_has_is_left_to_it():
    turn = choose([served("b")], Place(now=0.0, loaded="a", workers=2), TERMS)

    assert (turn.model, turn.why) == (None, SERVED)


def test_a_backlog_that_is_worth_a_swap_is_shared():
    """At least ten times the swap, and the quantum."""
    assert chosen(served("b", (24 * HOUR, 500)), workers=2) is None
    assert chosen(served("b", (24 * HOUR, 501)), workers=2) == "b"


def test_a_model_that_nobody_has_comes_before_a_shared_backlog():
    large = served("b", (24 * HOUR, 5000))

    assert chosen(large, A, workers=2) == "a"


def test_a_deadline_that_the_others_cannot_meet_is_helped_with():
    late = served("b", (HOUR, HOUR))

    assert chosen(A, late, loaded="a", workers=2) == "b"


def test_a_model_that_another_worker_has_does_not_count_as_waiting():
    long = demand("b", waiting_since=-9 * HOUR, others=1)

    assert chosen(A, long, loaded="a", workers=2) == "a"


@pytest.mark.parametrize(
    ("dues", "expected"),
    [
        ([], -inf),
        ([(HOUR, 60)], -inf),
        ([(200, 150)], 200),
        ([(200, 150), (24 * HOUR, 60)], 200),
        ([(HOUR, 60), (2 * HOUR, 1.9 * HOUR)], 2 * HOUR),
    ],
)
def test_deadlines_that_leave_little_time_rule_the_order(dues, expected):
    assert urgent_until([Due(*due) for due in dues], 0.0, 100.0) == expected
