"""What an engine's answer means, however hostile, and the lines it becomes."""

import json
from typing import Any

import pytest

from batches import records
from batches.outcomes import Outcome, Usage, judge
from vllm_batch.lib.jsonl import one_line


def error_of(outcome: Outcome) -> dict[str, Any]:
    """Check that an outcome is an error of the contract's form; return it."""
    body = json.loads(outcome.body)
    assert not outcome.is_success and set(body) == {"error"}
    error: dict[str, Any] = body["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert isinstance(error["message"], str) and error["message"]
    assert isinstance(error["type"], str)
    assert all(error[key] is None or isinstance(error[key], str) for key in error)
    return error


def usage_of(usage: Any) -> Usage:
    outcome = judge(200, json.dumps({"usage": usage}).encode())
    assert outcome.is_success
    return outcome.usage


def test_a_success_is_passed_on_byte_for_byte():
    body = b'{ "b":1.10, "a" : "\\u00fc", "b":1e2 }'

    assert judge(200, body) == Outcome(200, body, Usage())


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"42",
        b"null",
        b'"text"',
        b"{",
        b'{"a":1} x',
        b'{"a":NaN}',
        b'{"a":Infinity}',
        b'{"a":01}',
        b'{"a":"\x01"}',
        b'{"a":"\n"}',
        rb'{"a":"\q"}',
        b'{"a":"\xff"}',
        b"\xef\xbb\xbf{}",
        b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
        b"<html>200</html>",
    ],
)
def test_a_200_that_is_no_json_object_is_a_502(body):
    outcome = judge(200, body)

    assert outcome.status == 502
    assert error_of(outcome)["type"] == "server_error"


@pytest.mark.parametrize("status", [0, 100, 201, 204, 302, 399, 600, 999, -1])
def test_a_status_that_makes_no_sense_is_a_502(status):
    outcome = judge(status, b"{}")

    assert outcome.status == 502 and error_of(outcome)


@pytest.mark.parametrize("status", [400, 404, 422, 429, 500, 503, 599])
def test_an_http_error_keeps_its_status(status):
    outcome = judge(status, b'{"error":{"message":"bad"}}')

    assert outcome.status == status and error_of(outcome)["message"] == "bad"


def test_an_openai_error_is_kept():
    error = {"message": "m", "type": "some_error", "param": "p", "code": "c"}

    outcome = judge(400, json.dumps({"error": error}).encode())

    assert error_of(outcome) == error


def test_an_integer_code_becomes_null():
    body = b'{"error":{"message":"m","type":"BadRequestError","code":400}}'

    error = error_of(judge(400, body))

    assert error["code"] is None and error["type"] == "invalid_request_error"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"object":"error","message":"old vLLM","code":400}', "old vLLM"),
        (b'{"error":"a bare string"}', "a bare string"),
        (b'{"detail":"FastAPI"}', "FastAPI"),
        (b'{"detail":[{"loc":["body"]}]}', '[{"loc": ["body"]}]'),
        (b'{"error":{"message":{"a":1}}}', '{"a": 1}'),
    ],
)
def test_the_message_is_found_in_every_known_shape(body, message):
    assert error_of(judge(400, body))["message"] == message


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html><h1>502 Bad Gateway</h1></html>",
        b"\xff\xfe",
        b"[]",
        b"null",
        b'{"error":null}',
        b'{"error":[1]}',
        b'{"error":{"message":""}}',
        b'{"error":{"message":null}}',
        b"[" * 100_000,
        b"9" * 5000,
    ],
)
def test_an_unreadable_error_is_named_by_its_status(body):
    error = error_of(judge(502, body))

    assert "answered 502 without a readable body" in error["message"]


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "invalid_request_error"),
        (429, "rate_limit_error"),
        (500, "server_error"),
    ],
)
@pytest.mark.parametrize("given", [None, "", 5, "BadRequestError", ["x"]])
def test_the_type_follows_from_the_status_unless_it_is_openais(status, kind, given):
    body = json.dumps({"error": {"message": "m", "type": given}}).encode()

    assert error_of(judge(status, body))["type"] == kind


@pytest.mark.parametrize("odd", [r"\ud800", r"\u0000", r"\u2028"])
def test_odd_characters_in_a_message_are_escaped(odd):
    outcome = judge(400, b'{"error":{"message":"a%bb"}}' % odd.encode())

    assert odd.encode() in outcome.body and outcome.body.isascii()


def test_an_endpoint_the_model_does_not_serve_is_explained():
    outcome = judge(404, b'{"detail":"Not Found"}')

    text = "The model does not serve this endpoint."
    assert error_of(outcome)["message"] == text


def test_usage_of_chat_and_completions_is_read():
    usage = {
        "prompt_tokens": 7,
        "completion_tokens": 3,
        "prompt_tokens_details": {"cached_tokens": 2},
        "completion_tokens_details": {"reasoning_tokens": 1},
    }

    assert usage_of(usage) == Usage(7, 2, 3, 1)


def test_usage_of_responses_is_read():
    usage = {
        "input_tokens": 7,
        "output_tokens": 3,
        "input_tokens_details": {"cached_tokens": 2},
        "output_tokens_details": {"reasoning_tokens": 1},
    }

    assert usage_of(usage) == Usage(7, 2, 3, 1)


@pytest.mark.parametrize(
    "usage",
    [
        None,
        {},
        [],
        "many",
        7,
        {"prompt_tokens": None},
        {"prompt_tokens": -5},
        {"prompt_tokens": 1.5},
        {"prompt_tokens": "7"},
        {"prompt_tokens": 1 << 41},
        {"prompt_tokens": 10**400},
        {"prompt_tokens_details": []},
    ],
)
def test_usage_that_makes_no_sense_counts_nothing(usage):
    assert usage_of(usage) == Usage()


def test_usage_beside_a_lone_surrogate_is_read():
    body = b'{"text":"\\ud83d","usage":{"prompt_tokens":7}}'

    outcome = judge(200, body)

    assert outcome == Outcome(200, body, Usage(input_tokens=7))


def test_an_error_counts_no_tokens():
    body = b'{"usage":{"prompt_tokens":7},"error":{"message":"m"}}'

    assert judge(400, body).usage == Usage()


def test_a_record_has_the_contracts_four_keys():
    outcome = Outcome(200, b'{"a":1}', Usage())

    record = records.answered("batch_1", 3, b'"\\u0061"', "req_1", outcome)

    parsed = json.loads(record)
    assert record.endswith(b"\n") and record.count(b"\n") == 1
    assert set(parsed) == {"id", "custom_id", "response", "error"}
    assert parsed["id"].startswith("batch_req_") and parsed["error"] is None
    assert parsed["response"] == {
        "status_code": 200,
        "request_id": "req_1",
        "body": {"a": 1},
    }


def test_the_custom_id_is_echoed_as_the_client_wrote_it():
    outcome = Outcome(200, b"{}", Usage())

    record = records.answered("batch_1", 3, b'"\\u0061\\/"', "req_1", outcome)

    assert b'"custom_id":"\\u0061\\/"' in record


@pytest.mark.parametrize("code", ["batch_expired", "batch_cancelled"])
def test_a_line_that_did_not_run_has_no_response(code):
    parsed = json.loads(records.unexecuted("batch_1", 3, b'"a"', code))

    assert parsed["response"] is None and set(parsed["error"]) == {"code", "message"}
    assert parsed["error"]["code"] == code


@pytest.mark.parametrize("separator", ["\u2028", "\u2029", "\x85"])
def test_characters_that_tear_lines_are_escaped(separator):
    document = f'{{"a":"x{separator}y"}}'.encode()

    line = one_line(document)

    assert len(line.decode().splitlines()) == 1
    assert json.loads(line) == {"a": f"x{separator}y"}


def test_white_space_between_values_becomes_one_line():
    document = b'{\r\n "a": [\n1,\r2]\n}'

    assert b"\n" not in one_line(document) and b"\r" not in one_line(document)
    assert json.loads(one_line(document)) == {"a": [1, 2]}


@pytest.mark.parametrize("text", [b"{}", b'{"a":"\\n\\u2028"}', '{"a":"ü😀"}'.encode()])
def test_a_document_on_one_line_stays_as_it_is(text):
    assert one_line(text) == text


def test_usage_with_a_key_that_is_no_text_counts_nothing():
    body = rb'{"a":"\ud800","usage":{"\ud800":1}}'

    assert judge(200, body) == Outcome(200, body, Usage())
