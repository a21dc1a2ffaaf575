"""Check `vllm_batch` in the body of POST /batches: what OpenAI has no word for."""

from collections.abc import Mapping
from typing import Any

from vllm_batch.lib.errors import InvalidRequest
from vllm_batch.lib.parameters import (
    check_integer,
    check_text,
    invalid_type,
    refuse_unknown,
)

KEY = "vllm_batch"
HIGHEST_PRIORITY = 100
_KNOWN = {"dry_run", "priority", "canary", "manifest_of"}
_CANARY = {"lines", "max_failed_share", "max_cut_off_share"}


def read_extension(value: object) -> dict[str, Any]:
    """Return what of a BatchOrder the extension sets; raises InvalidRequest."""
    if value is None:
        return {}
    extension = _object(value, KEY)
    refuse_unknown(extension, _KNOWN, f"{KEY}.")
    dry_run = extension.get("dry_run", False)
    if not isinstance(dry_run, bool):
        raise invalid_type(f"{KEY}.dry_run", "a boolean", dry_run)
    manifest_of = extension.get("manifest_of")
    if manifest_of is not None:
        check_text(manifest_of, f"{KEY}.manifest_of")
    most = HIGHEST_PRIORITY
    return {
        "is_dry_run": dry_run,
        "priority": _integer(extension, "priority", -most, most, default=0),
        "canary": _canary(extension.get("canary")),
        "manifest_of": manifest_of,
    }


def _canary(value: object) -> dict[str, Any] | None:
    """Return the number of lines to try and the shares that are borne (0 to 1)."""
    if value is None:
        return None
    param = f"{KEY}.canary"
    canary = _object(value, param)
    refuse_unknown(canary, _CANARY, f"{param}.")
    return {
        "lines": _integer(canary, "lines", 1, 10_000, default=20, within="canary."),
        "max_failed_share": _share(canary, "max_failed_share", 0.1),
        "max_cut_off_share": _share(canary, "max_cut_off_share", 0.2),
    }


def _object(value: object, param: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise invalid_type(param, "an object", value)
    return value


def _integer(
    values: Mapping[str, Any],
    name: str,
    least: int,
    most: int,
    *,
    default: int,
    within: str = "",
) -> int:
    param = f"{KEY}.{within}{name}"
    value = check_integer(values.get(name, default), param)
    if not least <= value <= most:
        raise InvalidRequest(
            f"Invalid '{param}': {value}. Expected {least} to {most}.",
            param=param,
            code="invalid_value",
        )
    return value


def _share(values: Mapping[str, Any], name: str, default: float) -> float:
    value, param = values.get(name, default), f"{KEY}.canary.{name}"
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise invalid_type(param, "a number", value)
    if not 0 <= value <= 1:
        raise InvalidRequest(
            f"Invalid '{param}': {value}. Expected a share from 0 to 1.",
            param=param,
            code="invalid_value",
        )
    return float(value)
