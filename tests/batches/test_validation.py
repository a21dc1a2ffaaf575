"""Which lines are valid, and the faults of the others (contract 6)."""

import json
from typing import Any

import pytest

from batches.faults import Fault
from batches.offers import Offer
from batches.validation import LineValidator
from tests.factories import CHAT, EMBEDDINGS, line
from vllm_batch.lib.jsonl import Line


def make_validator(endpoint: str = CHAT, **options: Any) -> LineValidator:
    catalog = options.pop("catalog", {"stub": Offer(), "stub-2": Offer()})
    options = {"allow_mixed_models": False, "max_line_bytes": 1 << 20, **options}
    return LineValidator(endpoint, catalog, **options)


def faults_of(*items: Any, validator: LineValidator | None = None) -> list[Fault]:
    """Check lines (objects, texts or bytes) and return all their faults."""
    validator = validator or make_validator()
    found: list[Fault] = []
    for number, item in enumerate(items, 1):
        text = json.dumps(item) if isinstance(item, dict | list) else item
        content = text.encode() if isinstance(text, str) else text
        found += validator.check(Line(number, 0, len(content), content))[1]
    return found


def brief(found: list[Fault]) -> list[tuple[str, int | None, str | None]]:
    return [(fault.code, fault.line, fault.param) for fault in found]


def with_messages(raw: str) -> str:
    """Return a line whose `messages` are this raw JSON."""
    return json.dumps(line(messages="RAW")).replace('"RAW"', raw)


def test_a_good_line_has_no_fault_and_a_model():
    content = json.dumps(line()).encode()

    model, found = make_validator().check(Line(1, 0, len(content), content))

    assert (model, found) == ("stub", [])


@pytest.mark.parametrize(
    "raw",
    [
        "",
        "{",
        "{'a': 1}",
        "42",
        "[1]",
        "null",
        '"text"',
        "// comment",
        '{"custom_id": "a",}',
        '{"custom_id": "a"} x',
        "\ufeff{}",
        b"\xff{}",
    ],
)
def test_a_line_that_is_no_json_object_is_named(raw):
    assert brief(faults_of(raw)) == [("invalid_json_line", 1, None)]


@pytest.mark.parametrize(
    "raw",
    [
        "NaN",
        "Infinity",
        "-Infinity",
        "01",
        "1.",
        "+1",
        "[1,]",
        r'"\q"',
        r'"\u12"',
        '"\t"',
        r'"\ud800"',
        "[" * 100_000,
        "[" * 100_000 + "]" * 100_000,
        '{"a":' * 100_000 + "1" + "}" * 100_000,
    ],
)
def test_what_is_no_json_inside_the_body_is_named(raw):
    assert brief(faults_of(with_messages(raw))) == [("invalid_json_line", 1, None)]


@pytest.mark.parametrize(
    "raw",
    [
        "9" * 5000,
        "1e400",
        "-0",
        r'"\u0000"',
        r'"\ud83d\ude00"',
        '"\u2028"',
        '{"a": 1, "a": 2}',
        "[" * 100 + "]" * 100,
    ],
)
def test_odd_json_inside_the_body_reaches_the_engine(raw):
    assert faults_of(with_messages(raw)) == []


@pytest.mark.parametrize("key", ["custom_id", "method", "url", "body"])
def test_each_missing_key_is_named(key):
    item = {name: value for name, value in line().items() if name != key}

    found = faults_of(item)

    assert brief(found) == [("missing_required_parameter", 1, key)]
    assert found[0].message == f"Missing required parameter: '{key}'."


def test_every_missing_key_is_named_at_once():
    codes = [fault.param for fault in faults_of("{}")]

    assert codes == ["custom_id", "method", "url", "body"]


@pytest.mark.parametrize("key", ["custom_id", "method", "url"])
@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (1, "a number"),
        (None, "null"),
        (True, "a boolean"),
        ([], "an array"),
        ({}, "an object"),
    ],
)
def test_a_key_of_another_type_is_named(key, value, kind):
    found = faults_of({**line(), key: value})

    assert brief(found) == [("invalid_type", 1, key)]
    assert f"expected a string, but got {kind} instead" in found[0].message


@pytest.mark.parametrize("value", [1, None, "text", [], True])
def test_a_body_that_is_no_object_is_named(value):
    assert brief(faults_of({**line(), "body": value})) == [("invalid_type", 1, "body")]


@pytest.mark.parametrize("custom_id", ["", "\0", "a\0b"])
def test_an_id_nothing_could_be_matched_by_is_named(custom_id):
    assert brief(faults_of(line(custom_id))) == [("invalid_value", 1, "custom_id")]


@pytest.mark.parametrize("custom_id", [" ", "x" * 5000, "ü😀", "\u2028", "\x01", "a\n"])
def test_any_other_id_is_fine(custom_id):
    assert faults_of(line(custom_id)) == []


def test_a_repeated_id_is_named_at_each_later_line():
    found = faults_of(line("a"), line("b"), line("a"), line("a"))

    assert brief(found) == [
        ("duplicate_custom_id", 3, "custom_id"),
        ("duplicate_custom_id", 4, "custom_id"),
    ]


def test_ids_are_compared_as_text_not_as_json():
    escaped = json.dumps(line("ID")).replace('"ID"', r'"\u0061"')

    found = faults_of(line("a"), escaped)

    assert brief(found) == [("duplicate_custom_id", 2, "custom_id")]


def test_an_id_of_a_faulty_line_counts_too():
    faulty = {**line("a"), "method": 1}

    assert "duplicate_custom_id" in [f.code for f in faults_of(faulty, line("a"))]


@pytest.mark.parametrize("method", ["GET", "post", ""])
def test_a_method_other_than_post_is_named(method):
    found = faults_of({**line(), "method": method})

    assert brief(found) == [("invalid_request", 1, "method")]


@pytest.mark.parametrize("url", [EMBEDDINGS, CHAT + "/", "", "https://x" + CHAT])
def test_a_url_other_than_the_endpoint_is_named(url):
    assert brief(faults_of({**line(), "url": url})) == [("invalid_url", 1, "url")]


def test_unknown_keys_of_a_line_are_ignored():
    assert faults_of({**line(), "priority": 1, "tags": None}) == []


def test_a_line_names_all_its_faults():
    item = {**line(), "method": "GET", "url": "/x", "body": {"stream": True}}

    params = [fault.param for fault in faults_of(item)]

    wanted = ["method", "url", "body.model", "body.messages", "body.stream"]
    assert params == wanted


def test_a_line_longer_than_the_limit_is_named():
    validator = make_validator(max_line_bytes=200)

    found = faults_of(line(), line("b", "x" * 200), "x" * 201, validator=validator)

    wanted = [("invalid_request", 2, None), ("invalid_request", 3, None)]
    assert brief(found) == wanted
    assert "longer than 200 bytes" in found[0].message


def test_a_line_as_long_as_the_limit_is_fine():
    content = json.dumps(line())

    validator = make_validator(max_line_bytes=len(content))

    assert faults_of(content, validator=validator) == []


def test_a_long_line_of_white_space_is_too_long_not_blank():
    validator = make_validator(max_line_bytes=200)

    found = faults_of(" " * 300 + "{}", validator=validator)

    assert brief(found) == [("invalid_request", 1, None)]


def test_a_byte_order_mark_hides_nothing_behind_the_limit():
    content = json.dumps(line())
    validator = make_validator(max_line_bytes=len(content))

    found = faults_of("\ufeff" + content + "garbage", validator=validator)

    assert brief(found) == [("invalid_request", 1, None)]
