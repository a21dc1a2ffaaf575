"""What request bodies may ask of a model. Pure, and cheap where nothing is asked.

Only keys that a limit is about are looked at, and only where they are present. A value
of a kind that an engine may coerce ("5", 5.0) is refused, so that none slips through.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from batches.faults import Fault, wrong_type

_Value = Raw | UnsetType
# The body keys that each number limits.
_NUMBERS = {
    "max_n": ("n", "best_of"),
    "max_top_logprobs": ("top_logprobs", "prompt_logprobs", "logprobs"),
    "max_tokens": ("max_tokens", "max_completion_tokens", "max_output_tokens"),
}
_LISTS = ("stop", "stop_token_ids")
_SCHEMAS = ("response_format", "structured_outputs", "text", "tools", "guided_json")
_MEDIA = frozenset({"image_url", "audio_url", "video_url", "file_url"})
_PLAIN = re.compile(rb"_url").search
# An escaped character of ASCII.
_ESCAPED = re.compile(rb"\\u00[2-7]").search
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class LimitedBody(Struct, kw_only=True):
    """The keys of a request body that a model may limit."""

    n: _Value = UNSET
    best_of: _Value = UNSET
    top_logprobs: _Value = UNSET
    prompt_logprobs: _Value = UNSET
    logprobs: _Value = UNSET
    max_tokens: _Value = UNSET
    max_completion_tokens: _Value = UNSET
    max_output_tokens: _Value = UNSET
    stop: _Value = UNSET
    stop_token_ids: _Value = UNSET
    response_format: _Value = UNSET
    structured_outputs: _Value = UNSET
    text: _Value = UNSET
    tools: _Value = UNSET
    guided_json: _Value = UNSET
    chat_template: _Value = UNSET
    chat_template_kwargs: _Value = UNSET


@dataclass(frozen=True, kw_only=True)
class Limits:
    """A model's limits; None is none."""

    max_n: int | None = None
    max_top_logprobs: int | None = None
    max_tokens: int | None = None
    max_stop: int | None = None
    max_schema_bytes: int | None = None
    allow_remote_media: bool = False
    allow_chat_template: bool = False

    @cached_property
    def has_maxima(self) -> bool:
        """Tell whether any size is limited."""
        lists = (self.max_stop, self.max_schema_bytes)
        return bool(self.numbers) or any(most is not None for most in lists)

    @cached_property
    def numbers(self) -> list[tuple[str, int]]:
        """The body keys with a largest number."""
        return [
            (key, most)
            for name, keys in _NUMBERS.items()
            if (most := getattr(self, name)) is not None
            for key in keys
        ]


def read_limits(value: object) -> Limits:
    """Return the limits that JSON describes; raises ValueError with what to write."""
    known = {field.name: field.type for field in fields(Limits)}
    if not isinstance(value, Mapping):
        raise ValueError(f"Write a JSON object with these keys: {', '.join(known)}.")
    for key, limit in value.items():
        if key not in known:
            raise ValueError(f"{key!r} is no limit. Known: {', '.join(known)}.")
        if key.startswith("allow_"):
            if not isinstance(limit, bool):
                raise ValueError(f"{key} is true or false, not {limit!r}.")
        elif limit is not None and not _is_count(limit):
            raise ValueError(f"{key} is a whole number from 0, not {limit!r}.")
    return Limits(**value)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def limit_faults(
    body: LimitedBody, content: bytes, limits: Limits, number: int
) -> list[Fault]:
    """Return what a body asks for beyond the limits; `content` is the whole line."""
    found: list[Fault] = []
    if limits.has_maxima:
        found += _maximum_faults(body, limits, number)
    if body.chat_template is not UNSET or body.chat_template_kwargs is not UNSET:
        found += _template_faults(body, limits, number)
    # The key of a URL is written plainly, or with an escaped character. (Measured: for
    # so short a text a pattern is twice as fast as `in`; for one byte it is not.)
    if _PLAIN(content) or (b"\\" in content and _ESCAPED(content)):
        found += _media_faults(content, limits, number)
    return found


def _maximum_faults(body: LimitedBody, limits: Limits, number: int) -> Iterator[Fault]:
    for key, most in limits.numbers:
        if fault := _number_fault(key, getattr(body, key), most, number):
            yield fault
    if limits.max_stop is not None:
        yield from _list_faults(body, limits.max_stop, number)
    if limits.max_schema_bytes is not None:
        yield from _schema_faults(body, limits.max_schema_bytes, number)


def _is_there(raw: _Value) -> bool:
    return not isinstance(raw, UnsetType) and bytes(raw) != b"null"


def _number_fault(key: str, raw: _Value, most: int, number: int) -> Fault | None:
    if isinstance(raw, UnsetType) or not _is_there(raw):
        return None
    if key == "logprobs" and bytes(raw) in (b"true", b"false"):
        return None  # chat's switch, which top_logprobs belongs to
    param = f"body.{key}"
    try:
        value = msgspec.json.decode(raw, type=int)
    except _UNREADABLE:
        return wrong_type(param, "an integer", raw, number)
    if value > most:
        text = f"Invalid '{param}': this model allows at most {most}, got {value}."
        return Fault("integer_above_max_value", text, number, param)
    if value < 0:  # -1 asks for all there are
        text = f"Invalid '{param}': expected a value >= 0, but got {value} instead."
        return Fault("integer_below_min_value", text, number, param)
    return None


def _list_faults(body: LimitedBody, most: int, number: int) -> Iterator[Fault]:
    for key in _LISTS:
        raw: _Value = getattr(body, key)
        if isinstance(raw, UnsetType) or not _is_there(raw):
            continue
        try:
            value = msgspec.json.decode(raw, type=list[Raw] | str)
        except _UNREADABLE:
            yield wrong_type(f"body.{key}", "an array", raw, number)
            continue
        count = 1 if isinstance(value, str) else len(value)
        if count > most:
            text = f"Invalid 'body.{key}': this model allows at most {most} entries,"
            yield Fault(
                "array_above_max_length", f"{text} got {count}.", number, f"body.{key}"
            )


def _schema_faults(body: LimitedBody, most: int, number: int) -> Iterator[Fault]:
    for key in _SCHEMAS:
        raw: _Value = getattr(body, key)
        if not isinstance(raw, UnsetType) and len(bytes(raw)) > most:
            text = f"'body.{key}' is too large: this model allows at most {most} bytes."
            yield Fault("schema_too_large", text, number, f"body.{key}")


def _template_faults(body: LimitedBody, limits: Limits, number: int) -> Iterator[Fault]:
    if limits.allow_chat_template:
        return
    if _is_there(body.chat_template):
        yield _template_fault("body.chat_template", number)
    options = body.chat_template_kwargs
    if isinstance(options, UnsetType) or not _is_there(options):
        return
    try:
        keys = msgspec.json.decode(options, type=dict[str, Raw])
    except _UNREADABLE:
        return  # the engine will not take it either
    if "chat_template" in keys:
        yield _template_fault("body.chat_template_kwargs.chat_template", number)


def _template_fault(param: str, number: int) -> Fault:
    text = f"'{param}' is not supported: this model takes no chat template of requests."
    return Fault("unsupported_parameter", text, number, param)


def _media_faults(content: bytes, limits: Limits, number: int) -> Iterator[Fault]:
    if limits.allow_remote_media:
        return
    for key, value in _body(content).items():
        if any(url[:5].lower() != "data:" for url in _media_urls({key: value})):
            text = (
                f"'body.{key}' holds the URL of an image, audio, video or file. This"
                " model takes only data: URLs; put the content into the request."
            )
            yield Fault("unsupported_value", text, number, f"body.{key}")


def _body(content: bytes) -> dict[str, Any]:
    try:
        line = msgspec.json.decode(content)
    except _UNREADABLE:  # numbers beyond any type, which are JSON nevertheless
        line = json.loads(content, parse_int=str, parse_float=str)
    found: dict[str, Any] = line["body"]
    return found


def _media_urls(value: object) -> Iterator[str]:
    if isinstance(value, list):
        for item in value:
            yield from _media_urls(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            if key in _MEDIA:
                url = item.get("url") if isinstance(item, dict) else item
                if isinstance(url, str):
                    yield url
            yield from _media_urls(item)
