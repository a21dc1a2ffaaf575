"""Which model the GPU serves next."""

import pytest

from workers.scheduling import next_model


def test_nothing_is_served_when_nothing_waits():
    assert next_model("a", []) is None


def test_the_most_urgent_model_is_loaded_first():
    assert next_model(None, ["b", "a"]) == "b"


def test_a_loaded_model_stays_while_it_has_work():
    assert next_model("a", ["b", "a"]) == "a"


def test_a_loaded_model_without_work_gives_way():
    assert next_model("a", ["b", "c"]) == "b"


def test_a_turn_that_is_over_goes_to_the_most_urgent_other_model():
    assert next_model("a", ["a", "b", "c"], turn_is_over=True) == "b"


def test_a_turn_that_is_over_goes_on_if_nobody_else_waits():
    assert next_model("a", ["a"], turn_is_over=True) == "a"


@pytest.mark.parametrize("turn_is_over", [True, False])
def test_a_model_that_failed_a_moment_ago_is_left_alone(turn_is_over):
    chosen = next_model("a", ["a", "b"], cooling=["a"], turn_is_over=turn_is_over)

    assert chosen == "b"


def test_a_turn_is_not_given_to_a_model_that_failed_a_moment_ago():
    assert next_model("a", ["a", "b"], cooling=["b"], turn_is_over=True) == "a"


def test_nothing_is_served_when_every_model_failed_a_moment_ago():
    assert next_model("a", ["a", "b"], cooling=["a", "b"]) is None
