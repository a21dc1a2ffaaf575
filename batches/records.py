"""The lines of output and error files, and what an engine's answer means for them.

Sources: contract 7.1–7.5 (record, kinds, escaping, rewriting), 8.1 (usage).
"""

import json
from dataclasses import dataclass
from typing import Any, NoReturn

import msgspec
from msgspec import Struct

from vllm_batch.lib.errors import envelope
from vllm_batch.lib.ids import derived_id
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


class _Body(Struct):
    usage: _Usage | None = None


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
        usage = _read_usage(body)
        if usage is not None:
            return Outcome(200, one_line(body), usage)
        status, body = 502, b""
    status = status if 400 <= status <= 599 else 502
    return Outcome(status, _error_body(status, body), Usage())


def _read_usage(body: bytes) -> Usage | None:
    """Return the usage of a JSON object, None if the bytes are not one."""
    try:
        body.decode()
        found = _body_decoder.decode(body).usage
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _read_odd_usage(body)
    return Usage() if found is None else _totals(found)


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


def _error_body(status: int, body: bytes) -> bytes:
    fields = _error_fields(body)
    param, code = fields.get("param"), fields.get("code")
    error = envelope(
        _message(status, fields),
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


def answered(
    batch_id: str, number: int, custom_id: bytes, request_id: str, outcome: Outcome
) -> bytes:
    """Return the record of a line that an engine answered, newline included.

    `custom_id` is the client's own JSON string, echoed byte for byte.
    """
    return (
        b'{"id":"%b","custom_id":%b,"response":{"status_code":%d,"request_id":"%b","body":%b},"error":null}\n'
        % (  # noqa: E501
            derived_id("batch_req_", batch_id, number).encode(),
            one_line(custom_id),
            outcome.status,
            request_id.encode(),
            outcome.body,
        )
    )


NOT_EXECUTED = {
    "batch_expired": "This request could not be executed before the completion window"
    " expired.",
    "batch_cancelled": "This request was not executed because the batch was cancelled.",
}


def unexecuted(batch_id: str, number: int, custom_id: bytes, code: str) -> bytes:
    """Return the record of a line that was never run (contract 7.2)."""
    return b'{"id":"%b","custom_id":%b,"response":null,"error":%b}\n' % (
        derived_id("batch_req_", batch_id, number).encode(),
        one_line(custom_id),
        json.dumps({"code": code, "message": NOT_EXECUTED[code]}).encode(),
    )
