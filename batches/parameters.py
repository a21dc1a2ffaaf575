"""Check the body of POST /batches, with OpenAI's exact errors (contract 5.1, 5.2)."""

from collections.abc import Mapping
from typing import Any

from batches.endpoints import ENDPOINTS
from batches.order_extension import KEY, read_extension
from batches.orders import BatchOrder, RetryOrder
from batches.pause_actions import LONGEST_REASON
from batches.retrying import CAUSES
from vllm_batch.lib.conf import conf
from vllm_batch.lib.errors import InvalidRequest
from vllm_batch.lib.parameters import (
    check_length,
    check_text,
    invalid_choice,
    invalid_type,
    read_expiry,
    refuse_unknown,
    require_object,
    require_text,
)

MOST_PAIRS, LONGEST_KEY, LONGEST_VALUE = 16, 64, 512
LONGEST_FILE_ID = 128
LONGEST_IDEMPOTENCY_KEY = 255
_KNOWN = {
    "input_file_id",
    "endpoint",
    "completion_window",
    "metadata",
    "output_expires_after",
    KEY,
}


def read_order(body: object) -> BatchOrder:
    """Return what the client asks for; raises InvalidRequest."""
    order = require_object(body)
    refuse_unknown(order, _KNOWN)
    return BatchOrder(
        input_file_id=_file_id(order),
        endpoint=_choice(order, "endpoint", list(ENDPOINTS)),
        completion_window=_choice(
            order, "completion_window", conf().BATCH_COMPLETION_WINDOWS
        ),
        metadata=_metadata(order.get("metadata")),
        output_expires_seconds=_output_expiry(order.get("output_expires_after")),
        **read_extension(order.get(KEY)),
    )


_RETRY = {"causes", "custom_ids", "merge", "metadata"}


def read_retry(body: object) -> RetryOrder:
    """Return which failed lines the client wants again; raises InvalidRequest."""
    order = require_object(body)
    refuse_unknown(order, _RETRY)
    causes = _texts(order.get("causes"), "causes")
    for cause in causes or ():
        if cause not in CAUSES:
            raise invalid_choice("causes", cause, list(CAUSES))
    merge = order.get("merge", False)
    if not isinstance(merge, bool):
        raise invalid_type("merge", "a boolean", merge)
    return RetryOrder(
        causes=causes,
        custom_ids=_texts(order.get("custom_ids"), "custom_ids"),
        is_merged=merge,
        metadata=_metadata(order.get("metadata")),
        has_metadata="metadata" in order,
    )


def read_pause(body: object) -> str:
    """Return why the client pauses a batch, empty if it does not say."""
    order = require_object(body)
    refuse_unknown(order, {"reason"})
    reason = order.get("reason")
    if reason is None:
        return ""
    return check_length(check_text(reason, "reason"), "reason", LONGEST_REASON)


def _texts(value: object, param: str) -> tuple[str, ...] | None:
    if value is None:
        return None
    if not isinstance(value, list):
        raise invalid_type(param, "an array", value)
    if not value:
        raise InvalidRequest(
            f"Invalid '{param}': empty array. Name at least one, or leave it out.",
            param=param,
            code="empty_array",
        )
    return tuple(check_text(item, param) for item in value)


def _file_id(order: Mapping[str, Any]) -> str:
    file_id = require_text(order, "input_file_id")
    if not file_id.startswith("file"):
        raise InvalidRequest(
            f"Invalid 'input_file_id': '{file_id[:200]}'. Expected an ID that begins"
            " with 'file'.",
            param="input_file_id",
            code="invalid_value",
        )
    return check_length(file_id, "input_file_id", LONGEST_FILE_ID)


def _choice(order: Mapping[str, Any], param: str, supported: list[str]) -> str:
    value = require_text(order, param)
    if value not in supported:
        raise invalid_choice(param, value, supported)
    return value


def _metadata(value: object) -> dict[str, str] | None:
    if value is None:
        return None
    if not isinstance(value, dict):
        raise invalid_type("metadata", "an object", value)
    if len(value) > MOST_PAIRS:
        raise InvalidRequest(
            "Invalid 'metadata': too many properties. Expected an object with at most"
            f" {MOST_PAIRS} properties, but got an object with {len(value)} properties"
            " instead.",
            param="metadata",
            code="object_above_max_properties",
        )
    for key, text in value.items():
        check_text(key, "metadata")
        check_length(key, "metadata", LONGEST_KEY, of="property name")
        check_length(
            check_text(text, f"metadata.{key}"), f"metadata.{key}", LONGEST_VALUE
        )
    return value


def _output_expiry(value: object) -> int | None:
    if value is None:
        return None
    param = "output_expires_after"
    if not isinstance(value, dict):
        raise invalid_type(param, "an object", value)
    refuse_unknown(value, {"anchor", "seconds"}, f"{param}.")
    return read_expiry(value, param)


def read_idempotency_key(header: str | None) -> str | None:
    """Return the Idempotency-Key header; raises InvalidRequest (R28)."""
    if not header:
        return None
    return check_length(
        check_text(header, "Idempotency-Key"),
        "Idempotency-Key",
        LONGEST_IDEMPOTENCY_KEY,
    )
