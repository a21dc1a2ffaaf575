"""Part a request into its prompt, which is judged, and what steers the answer.

Two requests have the same prompt if the canonical JSON of `PROMPT_KEYS` is equal:
sorted keys, no spaces, keys that are null left out. Its SHA-256 pairs the answers of
several models. Model and sampling parameters are not part of it.
"""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from curation.canonical import canonical, clean, clean_text, digest

PROMPT_KEYS = (
    "messages",
    "prompt",
    # Of the Responses API.
    "input",
    "instructions",
    "text",
    "tools",
    "response_format",
)
# These change no answer.
NEUTRAL_KEYS = ("model", "stream", "stream_options", "user", "metadata", "store")
LONGEST_MODEL = 255


class Prompt(NamedTuple):
    """What an item is: the stored form, and the hash it is found by."""

    input: dict[str, Any]
    hash: str


class Request(NamedTuple):
    """A request's parts."""

    prompt: Prompt
    model: str
    parameters: dict[str, Any]
    parameters_hash: str


def read_prompt(body: Mapping[str, Any]) -> Prompt:
    """Return the prompt of a request body."""
    found = {key: body[key] for key in PROMPT_KEYS if body.get(key) is not None}
    return Prompt(clean(found), digest(found))


def read_request(body: bytes) -> Request:
    """Return the parts of a request body; raises ValueError."""
    try:
        parsed = json.loads(body)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if not isinstance(parsed, dict):
        raise ValueError("no object")
    left = {
        key: value
        for key, value in parsed.items()
        if key not in PROMPT_KEYS and key not in NEUTRAL_KEYS and value is not None
    }
    model = clean_text(str(parsed.get("model", "")))[:LONGEST_MODEL]
    return Request(read_prompt(parsed), model, clean(left), digest(left))


def prompt_text(prompt: Mapping[str, Any]) -> str:
    """Return a prompt as people read it: its messages with their roles."""
    parts = []
    for key in ("instructions", "messages", "prompt", "input"):
        value = prompt.get(key)
        if isinstance(value, list):
            parts += [_message_text(one) for one in value]
        elif value is not None:
            parts.append(content_text(value))
    return "\n\n".join(parts)


def _message_text(message: object) -> str:
    if not isinstance(message, dict):
        return content_text(message)
    text = content_text(message.get("content"))
    if message.get("tool_calls"):
        text += canonical(message["tool_calls"])
    return f"{message.get('role', '')}: {text}"


def content_text(content: object) -> str:
    """Return the text of a message's content: a string, or a list of parts."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "".join(map(_part_text, content))
    return "" if content is None else canonical(content)


def _part_text(part: object) -> str:
    if isinstance(part, dict) and isinstance(part.get("text"), str):
        return str(part["text"])
    if isinstance(part, dict):
        return f"[{part.get('type', 'part')}]"
    return part if isinstance(part, str) else ""
