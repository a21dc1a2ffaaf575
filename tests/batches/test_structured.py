"""Answers that are not in the form their request asked for."""

import json
from typing import Any

import pytest

from batches.outcomes import judge
from batches.structured import is_invalid

SCHEMA = {
    "type": "object",
    "properties": {"age": {"type": "integer"}},
    "required": ["age"],
}
JSON_OBJECT = {"response_format": {"type": "json_object"}}


def asked(schema: Any) -> dict[str, Any]:
    json_schema = {"name": "person", "schema": schema}
    return {"response_format": {"type": "json_schema", "json_schema": json_schema}}


def judged(request: dict[str, Any], text: str | None, **message: Any) -> bool:
    choice = {"message": {"role": "assistant", "content": text, **message}}
    answer = json.dumps({"choices": [choice]}).encode()
    return is_invalid(json.dumps(request).encode(), answer)


@pytest.mark.parametrize("text", ['{"age": 5}', ' {"age": 5, "x": [1]} '])
def test_an_answer_that_fits_is_valid(text):
    assert not judged(asked(SCHEMA), text)


@pytest.mark.parametrize(
    "text", ['{"age": "5"}', "{}", "[]", '{"age": 5', "5", "", "x"]
)
def test_an_answer_that_does_not_fit_is_invalid(text):
    assert judged(asked(SCHEMA), text)


def test_any_json_will_do_without_a_schema():
    assert not judged(JSON_OBJECT, '{"a": 1}')
    assert judged(JSON_OBJECT, '{"a": 1')


@pytest.mark.parametrize("request_", [{}, {"response_format": {"type": "text"}}])
def test_an_answer_nobody_asked_a_form_of_is_valid(request_):
    assert not judged(request_, "{")


def test_a_call_of_a_tool_is_no_answer_in_words():
    assert not judged(asked(SCHEMA), None, tool_calls=[{"id": "1"}])


def test_completions_and_responses_are_read_too():
    request = json.dumps(JSON_OBJECT).encode()
    text_format = {"text": {"format": {"type": "json_schema", "schema": SCHEMA}}}
    output = [{"type": "message", "content": [{"type": "output_text", "text": "{}"}]}]

    completion = json.dumps({"choices": [{"text": "{"}]}).encode()
    response = json.dumps({"output": output}).encode()

    assert is_invalid(request, completion)
    assert is_invalid(json.dumps(text_format).encode(), response)


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "no such type"},
        {"$ref": "http://127.0.0.1:1/schema.json"},
        {"type": "string", "pattern": "(a+)+$"},
        True,
        "text",
        5,
    ],
)
def test_a_schema_that_cannot_be_judged_condemns_nobody(schema):
    assert not judged(asked(schema), json.dumps("a" * 40 + "!"))


@pytest.mark.parametrize("deep", ["[" * 100_000, '{"a":' * 100_000])
def test_deep_answers_are_invalid_and_no_trouble(deep):
    assert judged(JSON_OBJECT, deep)


@pytest.mark.parametrize(
    ("answer", "is_cut_off"),
    [
        ({"choices": [{"finish_reason": "stop"}, {"finish_reason": "length"}]}, True),
        ({"choices": [{"finish_reason": "stop"}]}, False),
        ({"status": "incomplete"}, True),
        ({"status": "completed"}, False),
        ({"choices": 5}, False),
        ({}, False),
    ],
)
def test_an_answer_that_hit_the_token_limit_is_a_success_of_its_own(answer, is_cut_off):
    outcome = judge(200, json.dumps(answer).encode())

    assert outcome.is_success and outcome.is_cut_off is is_cut_off
