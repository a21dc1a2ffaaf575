"""Decide which failed lines run again, from the error file's records. Pure.

A record says why its line failed: `error.code` if it did not run, else the code
`engine_crash` or `connection` in `response.body.error`, else the HTTP status.
"""

import json
from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct

from batches.models import Cause
from batches.orders import RetryOrder
from batches.records import NOT_EXECUTED
from vllm_batch.lib.errors import InvalidRequest

CAUSES = (*Cause.values, *NOT_EXECUTED)


class _Error(Struct):
    code: str | None = None


class _Body(Struct):
    error: _Error | None = None


class _Response(Struct):
    status_code: int
    body: _Body | None = None


class _Record(Struct):
    custom_id: str
    response: _Response | None = None
    error: _Error | None = None


class FailedLine(NamedTuple):
    """A line of an error file, as far as it matters here."""

    custom_id: str
    cause: str


_decoder = msgspec.json.Decoder(_Record)


def read_failed(record: bytes) -> FailedLine:
    """Read one line of an error file that we wrote."""
    try:
        parsed = _decoder.decode(record)
    except msgspec.DecodeError:  # a lone surrogate in an engine's message
        parsed = _convert(json.loads(record))
    return FailedLine(parsed.custom_id, _cause(parsed))


def _convert(record: Any) -> _Record:
    response = record["response"]
    return _Record(
        record["custom_id"],
        response and _Response(response["status_code"]),
        record["error"] and _Error(record["error"]["code"]),
    )


def _cause(record: _Record) -> str:
    if record.response is None:
        return (record.error and record.error.code) or Cause.SERVER_ERROR.value
    body, status = record.response.body, record.response.status_code
    code = body and body.error and body.error.code
    if code in (Cause.ENGINE_CRASH, Cause.CONNECTION):
        return Cause(code).value
    if status == 429:
        return Cause.RATE_LIMIT.value
    is_server = status >= 500
    return (Cause.SERVER_ERROR if is_server else Cause.INVALID_REQUEST).value


def choose(lines: Iterable[FailedLine], order: RetryOrder) -> set[str]:
    """Return the custom ids that run again; raises InvalidRequest if there is none.

    With causes and custom ids, a line must be in both; every custom id that is named
    must be one of a failed line.
    """
    wanted = None if order.custom_ids is None else set(order.custom_ids)
    causes = CAUSES if order.causes is None else order.causes
    chosen = set()
    missing = dict.fromkeys(order.custom_ids or ())
    for line in lines:
        missing.pop(line.custom_id, None)
        if line.cause in causes and (wanted is None or line.custom_id in wanted):
            chosen.add(line.custom_id)
    if missing:
        raise InvalidRequest(
            f"No failed line of this batch has the custom_id '{next(iter(missing))}'.",
            param="custom_ids",
            code="invalid_value",
        )
    if not chosen:
        raise InvalidRequest(
            "No failed line of this batch has one of these causes.",
            param="causes",
            code="invalid_value",
        )
    return chosen
