"""Read query strings and JSON bodies, with OpenAI's words for what is wrong.

Sources: contract 1.5 (general texts), 4 (limits), 5.2 (types, lengths).
"""

from collections.abc import Mapping
from typing import Any

from django.http import QueryDict

from vllm_batch.lib.errors import InvalidRequest

_MISSING = object()


def json_type(value: object) -> str:
    """Return the JSON type of a parsed value with its article, as messages want it."""
    names: list[tuple[type, str]] = [
        (bool, "a boolean"),
        (int, "an integer"),
        (float, "a decimal"),
        (str, "a string"),
        (list, "an array"),
        (dict, "an object"),
    ]
    return next((name for kind, name in names if isinstance(value, kind)), "null")


def invalid_type(param: str, expected: str, value: object) -> InvalidRequest:
    """Return the error for a value of a wrong JSON type."""
    return InvalidRequest(
        f"Invalid type for '{param}': expected {expected}, but got"
        f" {json_type(value)} instead.",
        param=param,
        code="invalid_type",
    )


def missing(param: str) -> InvalidRequest:
    """Return the error for a required parameter that is not there."""
    return InvalidRequest(
        f"Missing required parameter: '{param}'.",
        param=param,
        code="missing_required_parameter",
    )


def invalid_choice(param: str, value: str, supported: list[str]) -> InvalidRequest:
    """Return the error for a string that is none of the supported ones."""
    values = ", ".join(f"'{name}'" for name in supported)
    return InvalidRequest(
        f"Invalid value: '{value[:200]}'. Supported values are: {values}.",
        param=param,
        code="invalid_value",
    )


def require_object(body: object) -> Mapping[str, Any]:
    """Return a JSON body that is an object; raises InvalidRequest."""
    if not isinstance(body, Mapping):
        raise InvalidRequest(
            f"The request body must be a JSON object, but it is {json_type(body)}."
        )
    return body


def require_text(body: Mapping[str, Any], param: str) -> str:
    """Return a required string that a database can hold; raises InvalidRequest."""
    value = body.get(param, _MISSING)
    if value is _MISSING:
        raise missing(param)
    return check_text(value, param)


def check_text(value: object, param: str) -> str:
    """Return the string, or raise for another type, U+0000 or a lone surrogate."""
    if not isinstance(value, str):
        raise invalid_type(param, "a string", value)
    if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
        raise InvalidRequest(
            f"Invalid '{param}': the string holds U+0000 or a lone surrogate, which"
            " cannot be stored.",
            param=param,
            code="invalid_value",
        )
    return value


def check_length(value: str, param: str, longest: int, *, of: str = "") -> str:
    """Return the string, or raise if it has more than `longest` characters."""
    if len(value) > longest:
        raise InvalidRequest(
            f"Invalid '{param}': {of or 'string'} too long. Expected a string with"
            f" maximum length {longest}, but got a string with length {len(value)}"
            " instead.",
            param=param,
            code="property_name_above_max_length" if of else "string_above_max_length",
        )
    return value


def check_integer(value: object, param: str) -> int:
    """Return an integer of a JSON body, where 3600.0 is one, too, or raise."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise invalid_type(param, "an integer", value)
    return value


def check_range(value: int, param: str, least: int, most: int) -> int:
    """Return the integer, or raise if it lies outside `least … most`."""
    for is_bad, code, text, sign, limit in (
        (value > most, "integer_above_max_value", "above maximum", "<=", most),
        (value < least, "integer_below_min_value", "below minimum", ">=", least),
    ):
        if is_bad:
            raise InvalidRequest(
                f"Invalid '{param}': integer {text} value. Expected a value {sign}"
                f" {limit}, but got {value} instead.",
                param=param,
                code=code,
            )
    return value


def single(query: QueryDict, param: str, expected: str) -> str | None:
    """Return a query parameter, None if it is absent; raises if it is given twice."""
    values = query.getlist(param)
    if len(values) > 1:
        raise invalid_type(param, expected, values)
    return values[0] if values else None


def read_integer(text: str, param: str) -> int:
    """Return an integer that arrived as text (query strings, form fields)."""
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 18):
        raise InvalidRequest(
            f"Invalid type for '{param}': expected an integer, but got a string"
            " instead.",
            param=param,
            code="invalid_type",
        )
    return int(text)


SHORTEST_LIFE, LONGEST_LIFE = 3600, 2_592_000


def read_expiry(policy: Mapping[str, Any], param: str) -> int:
    """Return the seconds of an `expires_after` policy (contract 3.2, R25)."""
    anchor = require_text_within(policy, param, "anchor")
    if anchor != "created_at":
        raise invalid_choice(f"{param}.anchor", anchor, ["created_at"])
    name = f"{param}.seconds"
    seconds = policy.get("seconds", _MISSING)
    if seconds is _MISSING:
        raise missing(name)
    return check_range(check_integer(seconds, name), name, SHORTEST_LIFE, LONGEST_LIFE)


def require_text_within(policy: Mapping[str, Any], parent: str, param: str) -> str:
    """Return a required string of a nested object; raises InvalidRequest."""
    if param not in policy:
        raise missing(f"{parent}.{param}")
    return check_text(policy[param], f"{parent}.{param}")


def refuse_unknown(body: Mapping[str, Any], known: set[str], parent: str = "") -> None:
    """Raise for the first key that is not known (R26)."""
    for key in body:
        if key not in known:
            name = f"{parent}{key}"[:200].encode(errors="replace").decode()
            raise InvalidRequest(
                f"Unknown parameter: '{name}'.", param=name, code="unknown_parameter"
            )
