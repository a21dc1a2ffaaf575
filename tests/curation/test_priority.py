"""Which task tells most, and why."""

import pytest

from curation.models import Task
from curation.ordering.priority import Judged, normal_hash, normalise, rate
from tests.curation.answered import chat, ended, handled, two_models
from tests.factories import make_project


def judged(text: str = "a", **details) -> Judged:
    return Judged(normal_hash(text), len(text), **details)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Yes.", " yes "),
        ('{"a": 1, "b": 2}', '{"b":2,"a":1}'),
        ("A\u00a0b", "a b!"),
        ("?", "?"),
    ],
)
def test_answers_that_say_the_same_are_equal(one, other):
    assert normalise(one) == normalise(other)


@pytest.mark.parametrize(("one", "other"), [("Yes", "No"), ("?", "!"), ("[1]", "[2]")])
def test_answers_that_say_something_else_are_not(one, other):
    assert normalise(one) != normalise(other)


def test_equal_answers_tell_nothing():
    found = rate([judged(), judged()])

    assert found.priority == 0 and found.reasons == []


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        ([judged("a"), judged("b")], "the answers differ"),
        ([judged("a"), judged("b"), judged("a")], "2 different answers among 3"),
        ([judged(), judged(least_gap=0.1)], "logprob gap 0.10"),
        ([judged(), judged(breaks_schema=True)], "not in the form"),
        ([judged("a"), judged("b" * 10)], "10.0 times"),
    ],
)
def test_each_signal_raises_it_and_says_so(answers, words):
    found = rate(answers)

    assert found.priority > 0 and any(words in reason for reason in found.reasons)


def test_a_single_answer_is_compared_with_the_others():
    assert rate([judged("a")], [judged("b")]).priority > 0
    assert rate([judged("a")]).priority == 0


def test_a_judge_in_two_minds_raises_it_and_a_sure_one_lowers_it():
    pair = [judged("a"), judged("b")]

    contested, plain, sure = (
        rate(pair, is_contested=said).priority for said in (True, None, False)
    )

    assert contested > plain > sure > 0


def test_it_never_leaves_its_bounds():
    worst = judged("a" * 99, least_gap=-5, breaks_schema=True)

    assert rate([judged("b"), worst], is_contested=True).priority == 1


@pytest.mark.django_db
def test_tasks_are_rated_when_they_are_made():
    two_models()

    first, last = Task.objects.order_by("-priority")

    assert first.priority > last.priority == 0
    assert "the answers differ" in first.reasons and last.reasons == []


@pytest.mark.django_db
def test_an_answer_that_breaks_its_schema_is_noticed():
    schema = {"type": "object", "required": ["a"]}
    form = {"type": "json_schema", "json_schema": {"name": "n", "schema": schema}}
    project = make_project()
    good, bad = {"One?": chat('{"a": 1}')}, {"One?": chat('{"b": 1}')}

    handled(
        ended(good, project, response_format=form),
        ended(bad, project, model="other", response_format=form),
    )

    assert "an answer is not in the form asked for" in Task.objects.get().reasons
