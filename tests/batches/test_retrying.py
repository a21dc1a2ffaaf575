"""Which failed lines run again: decided from the error file's records."""

import json
from typing import Any

import pytest

from batches import records
from batches.orders import RetryOrder
from batches.outcomes import crash, failure
from batches.retrying import CAUSES, FailedLine, choose, read_failed
from vllm_batch.lib.errors import InvalidRequest

LINES = [FailedLine("a", "rate_limit"), FailedLine("b", "server_error")]


def answered(outcome: Any) -> bytes:
    return records.answered("batch_1", 1, b'"a"', "req_1", outcome)


def lost() -> bytes:
    error = {"message": "gone", "code": "connection"}
    return json.dumps({"error": error}).encode()


@pytest.mark.parametrize(
    ("record", "cause"),
    [
        (answered(failure(429)), "rate_limit"),
        (answered(failure(500)), "server_error"),
        (answered(failure(503)), "server_error"),
        (answered(failure(502, lost())), "connection"),
        (answered(failure(400)), "invalid_request"),
        (answered(failure(404)), "invalid_request"),
        (answered(crash()), "engine_crash"),
        (records.unexecuted("batch_1", 1, b'"a"', "batch_expired"), "batch_expired"),
        (
            records.unexecuted("batch_1", 1, b'"a"', "batch_cancelled"),
            "batch_cancelled",
        ),
    ],
)
def test_a_record_tells_its_cause(record, cause):
    assert read_failed(record) == FailedLine("a", cause)
    assert cause in CAUSES


def test_a_record_with_a_lone_surrogate_is_read_all_the_same():
    body = b'{"error": {"message": "\\ud83d", "code": "\\ud83d"}}'

    assert read_failed(answered(failure(429, body))) == FailedLine("a", "rate_limit")


def test_an_odd_custom_id_is_read_as_it_was_sent():
    custom_id = json.dumps("\u2028 \N{GRINNING FACE} \\ \x7f").encode()
    record = records.unexecuted("batch_1", 1, custom_id, "batch_expired")

    assert read_failed(record).custom_id == json.loads(custom_id)


@pytest.mark.parametrize(
    ("order", "chosen"),
    [
        (RetryOrder(), {"a", "b"}),
        (RetryOrder(causes=("rate_limit",)), {"a"}),
        (RetryOrder(causes=("rate_limit", "server_error")), {"a", "b"}),
        (RetryOrder(custom_ids=("b",)), {"b"}),
        (RetryOrder(custom_ids=("a", "b"), causes=("server_error",)), {"b"}),
    ],
)
def test_causes_and_custom_ids_choose(order, chosen):
    assert choose(LINES, order) == chosen


@pytest.mark.parametrize(
    ("order", "param"),
    [
        (RetryOrder(custom_ids=("a", "nope")), "custom_ids"),
        (RetryOrder(causes=("engine_crash",)), "causes"),
        (RetryOrder(custom_ids=("a",), causes=("server_error",)), "causes"),
    ],
)
def test_an_order_that_fits_no_line_is_refused(order, param):
    with pytest.raises(InvalidRequest) as refusal:
        choose(LINES, order)

    assert (refusal.value.param, refusal.value.code) == (param, "invalid_value")


def test_two_orders_have_two_digests():
    orders = [RetryOrder(), RetryOrder(is_merged=True), RetryOrder(causes=("a",))]

    digests = {order.digest(parent) for order in orders for parent in ("1", "2")}

    assert len(digests) == 6
