"""Read an engine's answer, whatever it looks like, into what a reviewer judges."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from curation.canonical import canonical, clean, clean_text
from curation.ingest.prompts import content_text

# A longer answer is cut for review; the batch's output file has it whole.
LONGEST_TEXT = 1_000_000
LONGEST_REASON = 64


@dataclass(frozen=True)
class Answer:
    """An answer's message, its text, and what the engine said about it."""

    output: dict[str, Any]
    text: str
    finish_reason: str = ""
    usage: Any = None
    logprob_mean: float | None = None
    logprob_least_gap: float | None = None
    checks: dict[str, Any] = field(default_factory=dict)


def read_answer(body: Mapping[str, Any] | None) -> Answer | None:
    """Return the first answer in a response's body; None if there is no text in it."""
    if not isinstance(body, Mapping):
        return None
    if isinstance(body.get("output"), list):
        return _of_responses(body)
    choices = body.get("choices")
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        return None
    return _of_choice(choices[0], len(choices), body.get("usage"))


def _of_choice(choice: dict[str, Any], count: int, usage: object) -> Answer | None:
    message = choice.get("message")
    if message is None:
        message = {"role": "assistant", "content": choice.get("text")}
    if not isinstance(message, dict):
        return None
    mean, gap = read_logprobs(choice.get("logprobs"))
    checks = {"choices": count} if count > 1 else {}
    return make_answer(
        message,
        finish_reason=choice.get("finish_reason"),
        usage=usage,
        logprob_mean=mean,
        logprob_least_gap=gap,
        checks=checks,
    )


def _of_responses(body: Mapping[str, Any]) -> Answer | None:
    items = [item for item in body["output"] if isinstance(item, dict)]
    texts = [
        content_text(item.get("content"))
        for item in items
        if item.get("type", "message") == "message"
    ]
    calls = [item for item in items if item.get("type") == "function_call"]
    message: dict[str, Any] = {"role": "assistant", "content": "".join(texts)}
    if calls:
        message["tool_calls"] = calls
    status = body.get("status")
    reason = "length" if status == "incomplete" else status
    return make_answer(message, finish_reason=reason, usage=body.get("usage"))


def make_answer(
    message: Mapping[str, Any],
    *,
    finish_reason: object = None,
    usage: object = None,
    logprob_mean: float | None = None,
    logprob_least_gap: float | None = None,
    checks: dict[str, Any] | None = None,
) -> Answer | None:
    """Return a message as an answer, cleaned and cut; None if it says nothing."""
    text = message_text(message)
    if text is None:
        return None
    output, found = dict(message), dict(checks or {})
    if len(text) > LONGEST_TEXT:
        found["characters"] = len(text)
        text = text[:LONGEST_TEXT]
        output = {"role": "assistant", "content": text}
    if finish_reason == "length":
        found["cut_off"] = True
    reason = finish_reason if isinstance(finish_reason, str) else ""
    return Answer(
        output=clean(output),
        text=clean_text(text),
        finish_reason=clean_text(reason)[:LONGEST_REASON],
        usage=clean(usage) if isinstance(usage, dict) else None,
        logprob_mean=logprob_mean,
        logprob_least_gap=logprob_least_gap,
        checks=found,
    )


def message_text(message: Mapping[str, Any]) -> str | None:
    """Return what a message says: its content, its refusal, or its tool calls."""
    content, calls = message.get("content"), message.get("tool_calls")
    if isinstance(content, str | list) and content:
        return content_text(content)
    refusal = message.get("refusal")
    if isinstance(refusal, str) and refusal:
        return refusal
    if calls:
        return canonical(calls)
    # An empty answer is one, too.
    return "" if content in ("", []) or "content" in message else None


def read_logprobs(logprobs: object) -> tuple[float | None, float | None]:
    """Return the mean of the tokens' logprobs, and the least gap between the two best.

    A small gap means that the model nearly said something else. None for what is not
    there, or makes no sense.
    """
    if not isinstance(logprobs, dict):
        return None, None
    tokens = list(_tokens(logprobs))
    chosen = [value for value, _ in tokens if value is not None]
    gaps = [best[0] - best[1] for _, best in tokens if len(best) > 1]
    return sum(chosen) / len(chosen) if chosen else None, min(gaps, default=None)


def _tokens(logprobs: dict[str, Any]) -> Iterator[tuple[float | None, list[float]]]:
    """Yield each token's logprob and the two best's; of chat or of completions."""
    content = logprobs.get("content")
    if isinstance(content, list):
        for token in content:
            if isinstance(token, dict):
                rivals = token.get("top_logprobs")
                found = rivals if isinstance(rivals, list) else []
                values = [r.get("logprob") for r in found if isinstance(r, dict)]
                yield _number(token.get("logprob")), _best(values)
        return
    chosen, rivals = logprobs.get("token_logprobs"), logprobs.get("top_logprobs")
    chosen = chosen if isinstance(chosen, list) else []
    rivals = rivals if isinstance(rivals, list) else []
    for place, value in enumerate(chosen):
        table = rivals[place] if place < len(rivals) else None
        values = list(table.values()) if isinstance(table, dict) else []
        yield _number(value), _best(values)


def _best(values: list[Any]) -> list[float]:
    numbers = [number for value in values if (number := _number(value)) is not None]
    return sorted(numbers, reverse=True)[:2]


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None
