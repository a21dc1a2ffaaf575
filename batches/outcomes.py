"""What an engine's answer means: success or failure, tokens, and why it failed.

Sources: contract 7.2, 7.5 (kinds, rewriting vLLM's errors), 8.1 (usage).
"""

import json
from dataclasses import dataclass, replace
from typing import Any, NoReturn

import msgspec
from msgspec import Struct

from batches.models import Cause
from vllm_batch.lib.errors import envelope
from vllm_batch.lib.jsonl import one_line


class _Details(Struct):
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None


class _Usage(Struct):
    """Chat and completions say prompt/completion, responses say input/output."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    prompt_tokens_details: _Details | None = None
    completion_tokens_details: _Details | None = None
    input_tokens_details: _Details | None = None
    output_tokens_details: _Details | None = None


class _Choice(Struct):
    finish_reason: str | None = None


class _Body(Struct):
    usage: _Usage | None = None
    choices: list[_Choice] | None = None
    # The Responses API's word for an answer that was cut off.
    status: str | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one successful line; what the engine does not tell counts 0 (R30)."""

    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an answer means: a line of the output file or of the error file."""

    status: int
    body: bytes
    usage: Usage
    # The token limit ended the answer, or it is not in the form the request asked for:
    # both are successes on the wire, and counted as outcomes of their own.
    is_cut_off: bool = False
    is_invalid_output: bool = False
    # Of a failure: why, in words, and how often the line was tried.
    cause: str = ""
    message: str = ""
    attempts: int = 1

    @property
    def is_success(self) -> bool:
        """Tell which of the two files the line belongs to."""
        return self.status == 200


_body_decoder = msgspec.json.Decoder(_Body)


def judge(status: int, body: bytes) -> Outcome:
    """Read an engine's answer as untrusted input (contract 7.2, 7.5).

    200 with a JSON object is a success. Everything else becomes an error body with
    the contract's four keys; a 200 that is no JSON object counts as a 502.
    """
    if status == 200:
        success = _read_success(body)
        if success is not None:
            return success
        status, body = 502, b""
    return failure(status if 400 <= status <= 599 else 502, body)


def failure(status: int, body: bytes = b"", cause: str = "") -> Outcome:
    """Return the outcome of a line that failed with this answer."""
    fields = _error_fields(body)
    message = _message(status, fields)
    return Outcome(
        status,
        _error_body(status, fields, message),
        Usage(),
        cause=cause or _cause(status),
        message=message,
    )


def crash() -> Outcome:
    """Return the outcome of a line that killed the engine each time it ran alone."""
    text = (
        "The engine died each time this request ran, so it will not be run again."
        " Other requests were not harmed."
    )
    error = {"message": text, "code": Cause.ENGINE_CRASH.value}
    return failure(500, json.dumps({"error": error}).encode(), Cause.ENGINE_CRASH)


def invalid_output(outcome: Outcome) -> Outcome:
    """Return a success whose answer is not in the form the request asked for."""
    return replace(outcome, is_invalid_output=True)


def tried(outcome: Outcome, attempts: int, cause: str = "") -> Outcome:
    """Return the outcome with how often the line was tried, and a better cause."""
    if attempts == outcome.attempts and not cause:
        return outcome  # nearly every time, and a copy costs as much as reading it
    return replace(outcome, attempts=attempts, cause=cause or outcome.cause)


def _cause(status: int) -> str:
    if status == 429:
        return Cause.RATE_LIMIT
    return Cause.SERVER_ERROR if status >= 500 else Cause.INVALID_REQUEST


def _read_success(body: bytes) -> Outcome | None:
    """Return the outcome of a JSON object, None if the bytes are not one."""
    try:
        body.decode()
        found = _body_decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        usage = _read_odd_usage(body)
        return None if usage is None else Outcome(200, one_line(body), usage)
    choices = found.choices or ()
    is_cut_off = found.status == "incomplete" or any(
        choice.finish_reason == "length" for choice in choices
    )
    usage = Usage() if found.usage is None else _totals(found.usage)
    return Outcome(200, one_line(body), usage, is_cut_off=is_cut_off)


def _read_odd_usage(body: bytes) -> Usage | None:
    """Do the same for what msgspec refuses though it is JSON: a lone surrogate, say."""
    try:
        document = json.loads(body.decode(), parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, dict):
        return None
    try:
        return _totals(msgspec.convert(document.get("usage") or {}, _Usage))
    except ValueError:  # msgspec's own, or a key that is no Unicode text
        return Usage()


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _totals(usage: _Usage) -> Usage:
    into = usage.prompt_tokens_details or usage.input_tokens_details or _Details()
    out = usage.completion_tokens_details or usage.output_tokens_details or _Details()
    return Usage(
        input_tokens=_count(usage.prompt_tokens, usage.input_tokens),
        cached_tokens=_count(into.cached_tokens),
        output_tokens=_count(usage.completion_tokens, usage.output_tokens),
        reasoning_tokens=_count(out.reasoning_tokens),
    )


_MOST_TOKENS = 1 << 40


def _count(*values: int | None) -> int:
    """Return the first count that is there; nonsense of an engine counts nothing."""
    for value in values:
        if value is not None:
            return value if 0 <= value <= _MOST_TOKENS else 0
    return 0


def _error_body(status: int, fields: dict[str, Any], message: str) -> bytes:
    param, code = fields.get("param"), fields.get("code")
    error = envelope(
        message,
        error_type=_error_type(status, fields.get("type")),
        param=param if isinstance(param, str) else None,
        # vLLM's code is the HTTP status as a number; on the wire it is a string.
        code=code if isinstance(code, str) else None,
    )
    return json.dumps(error).encode()


def _error_fields(body: bytes) -> dict[str, Any]:
    """Find the error in OpenAI's, vLLM's old and new, and FastAPI's shapes."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(document, dict):
        return {}
    error = document.get("error", document)
    if isinstance(error, str):
        return {"message": error}
    return error if isinstance(error, dict) else {}


def _message(status: int, fields: dict[str, Any]) -> str:
    message = fields.get("message") or fields.get("detail")
    if status == 404 and message == "Not Found":
        return "The model does not serve this endpoint."
    if isinstance(message, str) and message:
        return message
    if message:
        return json.dumps(message)
    return f"The engine answered {status} without a readable body."


def _error_type(status: int, given: object) -> str:
    # OpenAI's types are snake_case; vLLM's are class names such as BadRequestError.
    if isinstance(given, str) and given and given == given.lower():
        return given
    if status == 429:
        return "rate_limit_error"
    return "server_error" if status >= 500 else "invalid_request_error"
