"""Whatever an engine says is stored or left out, and breaks nothing."""

import json

import pytest

from curation.models import Candidate
from tests.curation.answered import chat, ended, handled

pytestmark = pytest.mark.django_db
DEEP = b'{"choices":[{"message":{"content":"deep","x":%s}}]}'
HUGE_NUMBER = b'{"choices":[{"message":{"content":"huge"}}],"usage":{"n":%s}}'


def stored(body: object) -> Candidate | None:
    """Return the answer that such a body becomes, beside one that is fine."""
    handled(ended({"One?": "fine", "Two?": body}))
    assert Candidate.objects.filter(text="fine").exists()
    return Candidate.objects.exclude(text="fine").first()


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("a\0b", "a\ufffdb"),
        ("a\ud83db", "a\ufffdb"),
        ("", ""),
        ([{"type": "text", "text": "part\0"}, 7], "part\ufffd"),
        ({"odd": 1}, None),
    ],
)
def test_what_no_database_stores_is_replaced(content, text):
    found = stored(chat(content))

    assert found is not None
    assert text is None or found.text == text


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"choices": None},
        {"choices": []},
        {"choices": [7]},
        {"choices": [{"message": "text"}]},
        {"choices": [{"message": {}}]},
        {"choices": [{"message": {"role": "assistant"}}]},
        {"data": [{"embedding": [0.1]}]},
    ],
)
def test_an_answer_without_a_text_is_left_out(body):
    assert stored(body) is None


@pytest.mark.parametrize("key", ["finish_reason", "logprobs"])
@pytest.mark.parametrize(
    "value", [7, "x" * 1000, [1], {"content": 5}, {"content": [3]}]
)
def test_details_of_the_wrong_type_do_no_harm(key, value):
    found = stored(chat("text", **{key: value}))

    assert found is not None and len(found.finish_reason) <= 64


def test_a_number_that_python_cannot_hold_costs_one_answer():
    assert stored(HUGE_NUMBER % (b"9" * 5000)) is None


def test_numbers_that_are_no_json_become_null():
    found = stored(b'{"choices":[{"message":{"content":"t","n":1e999}}]}')

    assert found is not None and found.output["n"] is None


def test_deep_documents_are_cut():
    found = stored(DEEP % (b"[" * 150 + b"]" * 150))

    assert found is not None and "…" in json.dumps(found.output, ensure_ascii=False)


def test_a_very_long_answer_is_cut_and_says_so():
    found = stored(chat("x" * 1_200_000))

    assert found is not None and len(found.text) == 1_000_000
    assert found.checks["characters"] == 1_200_000


def test_tool_calls_are_read_as_text():
    calls = [{"id": "1", "function": {"name": "f", "arguments": "{}"}}]
    message = {"role": "assistant", "content": None, "tool_calls": calls}

    found = stored({"choices": [{"message": message}]})

    assert found is not None and '"name":"f"' in found.text
    assert found.output["tool_calls"] == calls


def test_logprobs_are_summed_up():
    tokens = [
        {"logprob": -0.1, "top_logprobs": [{"logprob": -0.1}, {"logprob": -2.1}]},
        {"logprob": -0.3, "top_logprobs": [{"logprob": -0.3}, {"logprob": -0.8}]},
        {"logprob": "odd", "top_logprobs": [{"logprob": None}, 3]},
    ]

    found = stored(chat("text", logprobs={"content": tokens}))

    assert found is not None
    assert found.logprob_mean == pytest.approx(-0.2)
    assert found.logprob_least_gap == pytest.approx(0.5)
