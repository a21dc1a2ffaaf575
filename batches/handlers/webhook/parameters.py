"""Check the bodies of webhook endpoint requests (contract 10.4)."""

from collections.abc import Mapping
from typing import Any

from batches.handlers.webhook.events import EVENT_TYPES
from batches.handlers.webhook.targets import UnsafeUrl, check_url
from vllm_batch.lib.errors import InvalidRequest
from vllm_batch.lib.parameters import (
    check_length,
    check_text,
    invalid_choice,
    invalid_type,
    missing,
    refuse_unknown,
    require_object,
    require_text,
)

LONGEST_NAME = 100
KEEP_OLD = "keep_old_secret_active_for_24_hours"


def read_endpoint(body: object) -> dict[str, Any]:
    """Return name, url and event_types of a new endpoint; raises InvalidRequest."""
    fields = require_object(body)
    for param in ("event_types", "name", "url"):
        if param not in fields:
            raise missing(param)
    return read_changes(fields)


def read_changes(body: object) -> dict[str, Any]:
    """Return those of the three that are to change; raises InvalidRequest."""
    fields = require_object(body)
    readers = {"event_types": _event_types, "name": _name, "url": _url}
    refuse_unknown(fields, set(readers))
    return {param: read(fields) for param, read in readers.items() if param in fields}


def _name(fields: Mapping[str, Any]) -> str:
    name = check_length(check_text(fields["name"], "name"), "name", LONGEST_NAME)
    if not name:
        raise _invalid("name", "the name is empty. Say what the endpoint is for.")
    return name


def _url(fields: Mapping[str, Any]) -> str:
    url = check_text(fields["url"], "url")
    try:
        check_url(url)
    except UnsafeUrl as error:
        raise _invalid("url", str(error)) from None
    return url


def _event_types(fields: Mapping[str, Any]) -> list[str]:
    """Return the types in our own order, each once."""
    given = fields["event_types"]
    if not isinstance(given, list):
        raise invalid_type("event_types", "an array", given)
    if not given:
        raise _invalid("event_types", "the list is empty. Name at least one type.")
    chosen = {
        _event_type(item, f"event_types[{index}]") for index, item in enumerate(given)
    }
    return [event_type for event_type in EVENT_TYPES if event_type in chosen]


def _event_type(value: object, param: str) -> str:
    text = check_text(value, param)
    if text not in EVENT_TYPES:
        raise invalid_choice(param, text, list(EVENT_TYPES))
    return text


def read_rotation(body: object) -> bool:
    """Return whether the old secret is to sign for another day."""
    fields = require_object(body)
    refuse_unknown(fields, {KEEP_OLD})
    keep_old = fields.get(KEEP_OLD, False)
    if not isinstance(keep_old, bool):
        raise invalid_type(KEEP_OLD, "a boolean", keep_old)
    return keep_old


def read_test(body: object) -> str:
    """Return the event type to send as a sample."""
    fields = require_object(body)
    event_type = _event_type(require_text(fields, "event_type"), "event_type")
    refuse_unknown(fields, {"event_type"})
    return event_type


def _invalid(param: str, text: str) -> InvalidRequest:
    return InvalidRequest(
        f"Invalid '{param}': {text}", param=param, code="invalid_value"
    )
