"""What a reviewer reads of an item and of an answer, whatever shape it came in."""

import json
from dataclasses import dataclass
from typing import Any

from django.utils.safestring import SafeString

from curation.models import Candidate, Item
from curation.review.markdown import host_of, plain, render
from curation.review.tree import tree

SYSTEM = ("system", "developer")
# Letters of JSON that are laid out, before and after; what is longer stays as it came.
MOST_JSON, MOST_LAID_OUT = 100_000, 400_000
_INDENTED = json.JSONEncoder(indent=2, ensure_ascii=False)


@dataclass(frozen=True)
class Turn:
    """One message of the prompt. System prompts are collapsed: they repeat."""

    role: str
    raw: str
    html: SafeString

    @property
    def is_system(self) -> bool:
        """Tell whether it is one of those."""
        return self.role in SYSTEM


@dataclass(frozen=True)
class Shown:
    """An answer's text as it came and rendered; JSON laid out, and as a tree."""

    raw: str
    html: SafeString
    is_json: bool
    extra: SafeString | str = ""
    tree: SafeString | str = ""


def turns_of(item: Item) -> list[Turn]:
    """Return the prompt as a list of messages."""
    body = item.input if isinstance(item.input, dict) else {"prompt": item.input}
    messages = body.get("messages") or body.get("input") or body.get("prompt")
    if not isinstance(messages, list):
        messages = [messages]
    turns = [_turn(message) for message in messages]
    for name in ("tools", "response_format"):
        if body.get(name):
            turns.append(_as_json(name, body[name]))
    return turns


def _turn(message: Any) -> Turn:
    if not isinstance(message, dict):
        text = message if isinstance(message, str) else pretty(message)
        return Turn("user", text, render(text))
    role = str(message.get("role") or "user")[:40]
    text = _text_of(message.get("content"))
    if message.get("tool_calls"):
        text += f"\n\n```json\n{pretty(message['tool_calls'])}\n```"
    return Turn(role, text, render(text))


def _as_json(name: str, value: Any) -> Turn:
    text = pretty(value)
    return Turn("developer" if name == "tools" else name, text, plain(text))


def _text_of(content: Any) -> str:
    """Return a message's text; what is no text is named, not loaded."""
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return pretty(content)
    return "\n\n".join(_part(part) for part in content)


def _part(part: Any) -> str:
    if isinstance(part, str):
        return part
    if not isinstance(part, dict):
        return pretty(part)
    if isinstance(part.get("text"), str):
        return str(part["text"])
    url = part.get("image_url")
    address = url.get("url") if isinstance(url, dict) else url
    if isinstance(address, str):
        return f"[image from {host_of(address)[:80]}]"
    return f"[{str(part.get('type', 'part'))[:40]}]"


def shown(candidate: Candidate) -> Shown:
    """Return an answer's text as the page shows it."""
    text = candidate.text
    value = _json_of(text)
    laid_out = _laid_out(value) if value is not None else ""
    html = plain(laid_out) if laid_out else render(text)
    calls = (
        candidate.output.get("tool_calls")
        if isinstance(candidate.output, dict)
        else None
    )
    extra = plain(pretty(calls)) if calls and not _has(text, calls) else ""
    return Shown(text, html, value is not None, extra, tree(value))


def _has(text: str, calls: Any) -> bool:
    """Tell whether the text already is these calls."""
    try:
        return bool(json.loads(text) == calls)
    except (ValueError, RecursionError):
        return False


def _json_of(text: str) -> Any:
    """Return the object or list that a text is in JSON, None for any other text."""
    start = text.lstrip()[:1]
    if start not in ("{", "[") or len(text) > MOST_JSON:
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def pretty(value: Any) -> str:
    """Return a JSON value with indentation, or as Python spells it if that is long."""
    try:
        return _laid_out(value) or str(value)[:MOST_JSON]
    except (ValueError, RecursionError):
        return "…"


def _laid_out(value: Any) -> str:
    """Return a JSON value with indentation, "" if that makes too long a text of it.

    Deep inside lists each number has hundreds of spaces before it.
    """
    parts: list[str] = []
    letters = 0
    try:
        for part in _INDENTED.iterencode(value):
            parts.append(part)
            letters += len(part)
            if letters > MOST_LAID_OUT:
                return ""
    except (ValueError, TypeError, RecursionError):
        return ""
    return "".join(parts)
