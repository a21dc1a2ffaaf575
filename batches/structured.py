"""Whether an answer has the form its request asked for (structured output).

vLLM holds answers to a schema, yet one that hits the token limit, or comes from another
server, may be half a document. Such answers are delivered and counted.
"""

import json
from functools import lru_cache
from typing import Any

import msgspec
from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError
from msgspec import UNSET, Raw, Struct, UnsetType
from referencing import Registry
from referencing.exceptions import Unresolvable


class _Schema(Struct):
    schema: Raw | UnsetType = UNSET


class _Form(Struct):
    """`response_format` of chat and completions, or `text.format` of responses."""

    type: str = "text"
    json_schema: _Schema | None = None
    schema: Raw | UnsetType = UNSET


class _Text(Struct):
    format: _Form | None = None


class _Request(Struct):
    response_format: _Form | None = None
    text: _Text | None = None


class _Message(Struct):
    content: str | None = None
    tool_calls: list[Raw] | None = None


class _Choice(Struct):
    message: _Message | None = None
    text: str | None = None


class _Part(Struct):
    text: str | None = None


class _Item(Struct):
    content: list[_Part] | None = None


class _Answer(Struct):
    choices: list[_Choice] | None = None
    output: list[_Item] | None = None


_request_decoder = msgspec.json.Decoder(_Request)
_answer_decoder = msgspec.json.Decoder(_Answer)
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def is_invalid(request: bytes, answer: bytes) -> bool:
    """Tell whether a request asked for JSON and the answer is not it."""
    if b'"response_format"' not in request and b'"format"' not in request:
        return False  # nearly every request
    try:
        asked = _request_decoder.decode(request)
        texts = _texts(_answer_decoder.decode(answer))
    except _UNREADABLE:
        return False
    form = asked.response_format or (asked.text and asked.text.format)
    if not form or form.type not in ("json_object", "json_schema"):
        return False
    found = form.json_schema.schema if form.json_schema else form.schema
    schema = b"" if isinstance(found, UnsetType) else bytes(found)
    return not all(_fits(text, schema) for text in texts)


def _texts(answer: _Answer) -> list[str]:
    """Return the answer's texts; a call of a tool is no text."""
    texts = [
        choice.text if choice.message is None else choice.message.content or ""
        for choice in answer.choices or ()
        if not (choice.message and choice.message.tool_calls)
    ]
    for item in answer.output or ():
        texts += [part.text for part in item.content or ()]
    return [text for text in texts if text is not None]


def _fits(text: str, schema: bytes) -> bool:
    try:
        document = json.loads(text)
        validator = _validator(schema) if schema else None
        return validator is None or validator.is_valid(document)
    except (ValueError, RecursionError):
        return False
    except Unresolvable:
        return True  # a schema that points elsewhere is not followed


@lru_cache(maxsize=64)
def _validator(schema: bytes) -> Any:
    """Return the schema's validator, None for one that cannot be judged here.

    Patterns are the client's own regular expressions, which may take for ever.
    """
    if b'"pattern' in schema:
        return None
    document = json.loads(schema)
    try:
        Draft202012Validator.check_schema(document)
    except SchemaError:
        return None
    # A registry of its own: nothing is fetched for a `$ref`.
    return Draft202012Validator(document, registry=Registry())
