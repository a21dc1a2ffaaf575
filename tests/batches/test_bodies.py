"""What the body of a line has to hold, and what it may not (contract 6.3)."""

import json
from typing import Any

import pytest

from batches.offers import Offer
from tests.batches.test_validation import brief, faults_of, make_validator
from tests.factories import CHAT, EMBEDDINGS, line


def chat(**changes: Any) -> dict[str, Any]:
    """Return a chat line with changes to its body; `...` leaves a key out."""
    item = line()
    body = {**item["body"], **changes}
    item["body"] = {key: value for key, value in body.items() if value is not ...}
    return item


@pytest.mark.parametrize("model", [..., None, ""])
def test_the_model_is_required(model):
    found = faults_of(chat(model=model))

    assert brief(found) == [("invalid_request", 1, "body.model")]
    assert found[0].message == "Model parameter is required."


@pytest.mark.parametrize("model", [1, [], {}, True])
def test_a_model_that_is_no_string_is_named(model):
    found = faults_of(chat(model=model))

    assert brief(found) == [("invalid_type", 1, "body.model")]


@pytest.mark.parametrize("messages", [..., None])
def test_chat_needs_messages(messages):
    found = faults_of(chat(messages=messages))

    assert brief(found) == [("invalid_request", 1, "body.messages")]
    assert found[0].message == "Messages parameter is required."


@pytest.mark.parametrize("messages", [5, "text", [], {}])
def test_what_the_messages_are_is_the_engines_matter(messages):
    assert faults_of(chat(messages=messages)) == []


@pytest.mark.parametrize("stream", [True, 1, 0, "yes", [], {}])
def test_streaming_is_refused(stream):
    found = faults_of(chat(stream=stream))

    assert brief(found) == [("streaming_unsupported", 1, "body.stream")]
    assert found[0].message.startswith("Chat Completions: Streaming is not supported")


@pytest.mark.parametrize("stream", [False, None])
def test_no_stream_is_fine(stream):
    assert faults_of(chat(stream=stream)) == []


def test_an_unknown_model_is_named():
    found = faults_of(chat(model="nope"))

    assert brief(found) == [("model_not_found", 1, "body.model")]
    assert "The provided model 'nope' is not supported" in found[0].message


def test_a_model_that_serves_other_endpoints_is_named():
    validator = make_validator(catalog={"stub": Offer(frozenset([EMBEDDINGS]))})

    found = faults_of(chat(), validator=validator)

    assert brief(found) == [("model_not_found", 1, "body.model")]
    assert f"for {CHAT}" in found[0].message


def test_a_model_that_serves_this_endpoint_is_fine():
    validator = make_validator(catalog={"stub": Offer(frozenset([CHAT]))})

    assert faults_of(chat(), validator=validator) == []


def test_a_second_model_is_named_at_its_lines():
    found = faults_of(line("a"), line("b", model="stub-2"), line("c"))

    assert brief(found) == [("mismatched_model", 2, "body.model")]


def test_an_unknown_model_does_not_decide_the_batchs_model():
    found = faults_of(line("a", model="nope"), line("b"), line("c"))

    assert brief(found) == [("model_not_found", 1, "body.model")]


def test_several_models_are_fine_if_the_setting_allows_them():
    validator = make_validator(allow_mixed_models=True)

    found = faults_of(line("a"), line("b", model="stub-2"), validator=validator)

    assert found == [] and list(validator.models) == ["stub", "stub-2"]


@pytest.mark.parametrize(
    ("value", "count"),
    [
        ("text", 1),
        ([], 1),
        (["a", "b", "c"], 3),
        ([1, 2, 3], 1),
        ([[1, 2], [3]], 2),
        (None, 1),
    ],
)
def test_embedding_inputs_are_counted(value, count):
    validator = make_validator(EMBEDDINGS)
    item = line(url=EMBEDDINGS)
    item["body"]["input"] = value

    found = faults_of(json.dumps(item, indent=None), validator=validator)

    assert found == [] and validator.embedding_inputs == count


def test_white_space_does_not_change_the_count():
    validator = make_validator(EMBEDDINGS)
    text = json.dumps(line(url=EMBEDDINGS)).replace('"ECHO hi"', '[ "a" ,\t"b" ]')

    faults_of(text, validator=validator)

    assert validator.embedding_inputs == 2


def test_chat_lines_count_no_inputs():
    validator = make_validator()

    faults_of(chat(input=["a", "b"]), validator=validator)

    assert validator.embedding_inputs == 0
