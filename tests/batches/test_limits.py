"""What a served model lets request bodies ask for."""

import json
from typing import Any

import pytest

from batches.limits import Limits, read_limits
from batches.offers import Offer
from batches.tasks import attend
from tests.batches.test_validation import brief, faults_of, make_validator
from tests.factories import CHAT, line, make_batch, make_model

PICTURE = "data:image/png;base64,AAAA"
TOOL = {"type": "function", "function": {"name": "f", "parameters": {}}}


def check(item: Any, endpoint: str = CHAT, **limits: Any) -> Any:
    """Return the faults of a line for a model with these limits."""
    catalog = {"stub": Offer(limits=Limits(**limits))}
    return brief(faults_of(item, validator=make_validator(endpoint, catalog=catalog)))


def media(key: str, value: object) -> dict[str, Any]:
    """Return a line whose message has a part with a medium."""
    return line(messages=[{"role": "user", "content": [{"type": key, key: value}]}])


@pytest.mark.parametrize(
    ("limits", "body", "code", "param"),
    [
        ({"max_n": 2}, {"n": 3}, "integer_above_max_value", "n"),
        ({"max_n": 2}, {"best_of": 3}, "integer_above_max_value", "best_of"),
        ({"max_n": 2}, {"n": "3"}, "invalid_type", "n"),
        ({"max_n": 2}, {"n": -1}, "integer_below_min_value", "n"),
        (
            {"max_top_logprobs": 5},
            {"logprobs": True, "top_logprobs": 20},
            "integer_above_max_value",
            "top_logprobs",
        ),
        (
            {"max_top_logprobs": 5},
            {"prompt_logprobs": -1},
            "integer_below_min_value",
            "prompt_logprobs",
        ),
        (
            {"max_tokens": 100},
            {"max_completion_tokens": 101},
            "integer_above_max_value",
            "max_completion_tokens",
        ),
        ({"max_stop": 1}, {"stop": ["a", "b"]}, "array_above_max_length", "stop"),
        ({"max_stop": 0}, {"stop": "a"}, "array_above_max_length", "stop"),
        ({"max_stop": 2}, {"stop": 5}, "invalid_type", "stop"),
        (
            {"max_schema_bytes": 20},
            {"response_format": {"type": "json_schema", "json_schema": {}}},
            "schema_too_large",
            "response_format",
        ),
        ({"max_schema_bytes": 20}, {"tools": [TOOL]}, "schema_too_large", "tools"),
    ],
)
def test_what_goes_beyond_a_limit_is_refused(limits, body, code, param):
    item = line(**body)

    assert check(item, **limits) == [(code, 1, f"body.{param}")]
    assert check(item) == []


@pytest.mark.parametrize(
    "body",
    [
        {"n": 2, "stop": ["a"], "max_tokens": 100, "top_logprobs": 5},
        {"n": None, "stop": None, "max_tokens": None},
        {"logprobs": True},
        {"logprobs": False},
        {},
    ],
)
def test_what_keeps_to_the_limits_is_taken(body):
    limits: dict[str, Any] = {
        "max_n": 2,
        "max_stop": 1,
        "max_tokens": 100,
        "max_top_logprobs": 5,
    }

    assert check(line(**body), **limits, max_schema_bytes=100) == []


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"chat_template": "{{ x }}"}, "body.chat_template"),
        (
            {"chat_template_kwargs": {"chat_template": "{{ x }}"}},
            "body.chat_template_kwargs.chat_template",
        ),
    ],
)
def test_a_template_of_the_request_is_refused_unless_allowed(body, param):
    item = line(**body)

    assert check(item) == [("unsupported_parameter", 1, param)]
    assert check(item, allow_chat_template=True) == []


@pytest.mark.parametrize(
    "body", [{"chat_template": None}, {"chat_template_kwargs": {"thinking": False}}]
)
def test_other_template_options_are_taken(body):
    assert check(line(**body)) == []


@pytest.mark.parametrize("key", ["image_url", "audio_url", "video_url"])
@pytest.mark.parametrize(
    "url",
    ["http://10.0.0.1/a", "https://a.b/c", "file:///etc/passwd", " x", "HTTP://a"],
)
def test_remote_media_are_refused_unless_allowed(key, url):
    for value in (url, {"url": url}):
        found = check(media(key, value))
        assert found == [("unsupported_value", 1, "body.messages")]
        assert check(media(key, value), allow_remote_media=True) == []


def test_media_inside_the_request_are_taken():
    assert check(media("image_url", {"url": PICTURE})) == []
    assert check(media("image_url", {"url": PICTURE.replace("data", "DATA", 1)})) == []


def test_a_key_written_with_escapes_is_seen():
    text = json.dumps(media("image_url", "http://a/b"))

    hidden = text.replace('"image_url": "http', r'"\u0069mage\u005furl": "http')

    assert hidden != text
    assert check(hidden) == [("unsupported_value", 1, "body.messages")]


@pytest.mark.parametrize("number", ["1e400", "9" * 5000])
def test_odd_numbers_do_not_hide_remote_media(number):
    text = json.dumps(media("image_url", "http://a/b"))
    assert check(text.replace('"model"', f'"x": {number}, "model"')) == [
        ("unsupported_value", 1, "body.messages")
    ]


def test_text_about_urls_is_no_medium():
    item = line(content='Write {"image_url": "http://a/b"}', tools=[TOOL])
    assert check(item) == []


def test_media_are_found_wherever_they_are():
    url = "/v1/rerank"
    item = line(url=url, documents={"content": [{"image_url": {"url": "http://a"}}]})
    assert check(item, url) == [("unsupported_value", 1, "body.documents")]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([], "JSON object"),
        ({"max_m": 1}, "'max_m' is no limit. Known: max_n"),
        ({"max_n": -1}, "max_n is a whole number"),
        ({"max_n": True}, "max_n is a whole number"),
        ({"max_n": "5"}, "max_n is a whole number"),
        ({"allow_remote_media": 1}, "is true or false"),
    ],
)
def test_limits_that_make_no_sense_are_refused(value, message):
    with pytest.raises(ValueError, match=message):
        read_limits(value)


@pytest.mark.django_db
def test_a_batch_beyond_its_models_limits_fails_with_each_line():
    make_model(request_limits={"max_n": 1})
    batch = make_batch(line("a", n=2), line("b"), line("c", n=9))

    attend(batch.pk)

    batch.refresh_from_db()
    assert batch.status == "failed" and batch.errors
    found = [(error["line"], error["param"]) for error in batch.errors["data"]]
    assert found == [(1, "body.n"), (3, "body.n")]
