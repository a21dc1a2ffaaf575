"""What an importer makes of a foreign row: a prompt, answers, and what was decided."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


class BadRecord(Exception):
    """A row that cannot be imported; the text says why."""


@dataclass(frozen=True)
class ForeignAnswer:
    """An answer with what is known of how it came about."""

    message: dict[str, Any]
    model: str = ""
    parameters: dict[str, Any] = field(default_factory=dict)
    finish_reason: str = ""
    usage: dict[str, Any] | None = None


@dataclass(frozen=True)
class Record:
    """One prompt with its answers.

    `chosen` is the place of the answer that was decided for, `corrections` are texts
    that people wrote instead, `original` is the whole row as it came.
    """

    prompt: dict[str, Any]
    answers: tuple[ForeignAnswer, ...]
    original: Any
    key: str = ""
    chosen: int | None = None
    is_gold: bool = False
    corrections: tuple[str, ...] = ()


def answer_of(value: object, model: str = "") -> ForeignAnswer:
    """Read an answer in any of its usual forms; raises BadRecord.

    A text; a message; a list of messages, of which the last counts; or an object with
    `text` or `content`, and `model`, `parameters`, `finish_reason`, `usage`.
    """
    if isinstance(value, str):
        return ForeignAnswer({"role": "assistant", "content": value}, model)
    if isinstance(value, list) and value:
        return answer_of(value[-1], model)
    if not isinstance(value, dict):
        raise BadRecord("an answer is neither a text nor an object")
    text = value.get("text", value.get("content"))
    if text is None and not value.get("tool_calls"):
        raise BadRecord("an answer has neither 'text' nor 'content'")
    message = {"role": "assistant", "content": text}
    if value.get("tool_calls"):
        message["tool_calls"] = value["tool_calls"]
    return ForeignAnswer(
        message,
        _text(value, "model") or model,
        _object(value, "parameters") or {},
        _text(value, "finish_reason"),
        _object(value, "usage"),
    )


def prompt_of(value: object, row: Mapping[str, Any]) -> dict[str, Any]:
    """Read a prompt, a text or messages, with the row's tools; raises BadRecord.

    A text becomes one user message, so that it meets the same prompt of a batch.
    """
    if isinstance(value, str) and value:
        messages: list[Any] = [{"role": "user", "content": value}]
    elif isinstance(value, list) and value and all(isinstance(m, dict) for m in value):
        messages = value
    else:
        raise BadRecord("there is no prompt: neither a text nor a list of messages")
    system = row.get("system")
    if isinstance(system, str) and system:
        messages = [{"role": "system", "content": system}, *messages]
    extra = {key: row[key] for key in ("tools", "response_format") if row.get(key)}
    return {"messages": messages, **extra}


def _text(value: Mapping[str, Any], key: str) -> str:
    found = value.get(key)
    return found if isinstance(found, str) else ""


def _object(value: Mapping[str, Any], key: str) -> dict[str, Any] | None:
    found = value.get(key)
    return found if isinstance(found, dict) else None
