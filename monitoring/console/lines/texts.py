"""What people read of a line: prompt, answer, and why there is none.

All of it is hostile. It leaves here as plain text, which the templates escape.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from curation.ingest.answers import read_answer
from curation.ingest.prompts import prompt_text
from monitoring.console.lines.slices import Failure

# Letters of a text on the page of many lines, and of JSON on the page of one.
SHOWN_LETTERS = 900
MOST_LETTERS = 200_000
# Letters before the first hit of a search, where a text is cut.
BEFORE_HIT = 200


class Piece(NamedTuple):
    """A stretch of text; `is_hit` if the search found it."""

    text: str
    is_hit: bool = False


class Excerpt(NamedTuple):
    """A text or a part of it, cut at its hits; `length` is the whole text's."""

    pieces: list[Piece]
    length: int
    is_cut: bool


@dataclass(frozen=True)
class Shown:
    """One line with its result, ready to be shown."""

    number: int
    status: str
    request: bytes
    record: bytes | None = None
    failure: Failure | None = None

    @cached_property
    def _line(self) -> Mapping[str, Any]:
        return _object(self.request)

    @cached_property
    def _record(self) -> Mapping[str, Any]:
        return _object(self.record or b"")

    @property
    def custom_id(self) -> str:
        """The client's name for the line; empty if it has none."""
        found = self._line.get("custom_id")
        return found if isinstance(found, str) else ""

    @cached_property
    def prompt(self) -> str:
        """The prompt as text; the line itself if it cannot be read."""
        body = self._line.get("body")
        text = prompt_text(body) if isinstance(body, dict) else ""
        return text or self.request[:MOST_LETTERS].decode(errors="replace")

    @cached_property
    def answer(self) -> str:
        """The answer as text, an error's message, or the body as JSON."""
        if self.record is None:
            return ""
        response, error = self._record.get("response"), self._record.get("error")
        if isinstance(error, dict) and error.get("message"):
            return str(error["message"])
        body = response.get("body") if isinstance(response, dict) else None
        if not isinstance(body, dict):
            return self.record[:MOST_LETTERS].decode(errors="replace")
        found = read_answer(body)
        if found is not None:
            return found.text
        return _message(body) or json.dumps(body, ensure_ascii=False)

    @property
    def is_cut_off(self) -> bool:
        """Tell whether the token limit ended the answer."""
        response = self._record.get("response")
        body = response.get("body") if isinstance(response, dict) else None
        found = read_answer(body) if isinstance(body, dict) else None
        return found is not None and found.finish_reason == "length"

    def has(self, pattern: re.Pattern[str]) -> bool:
        """Tell whether custom id, prompt or answer has what is looked for."""
        texts = (self.custom_id, self.prompt, self.answer)
        return any(map(pattern.search, texts))

    @property
    def raw_request(self) -> Excerpt:
        """The request line as JSON, laid out."""
        return excerpt(_laid_out(self.request), None, MOST_LETTERS)

    @property
    def raw_record(self) -> Excerpt | None:
        """The result's line as JSON, laid out."""
        if self.record is None:
            return None
        return excerpt(_laid_out(self.record), None, MOST_LETTERS)


def _message(body: Mapping[str, Any]) -> str:
    error = body.get("error")
    return str(error.get("message") or "") if isinstance(error, dict) else ""


def _object(line: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _laid_out(line: bytes) -> str:
    try:
        return json.dumps(json.loads(line), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return line.decode(errors="replace")


def excerpt(
    text: str, pattern: re.Pattern[str] | None, most: int = SHOWN_LETTERS
) -> Excerpt:
    """Return as much of a text as is shown, from shortly before the first hit on."""
    # A lone surrogate cannot be sent.
    text = text.encode(errors="replace").decode()
    hit = pattern.search(text) if pattern else None
    start = max(0, hit.start() - BEFORE_HIT) if hit and len(text) > most else 0
    shown = text[start : start + most]
    pieces = _cut(shown, pattern) if pattern else [Piece(shown)]
    if start:
        pieces.insert(0, Piece("… "))
    return Excerpt(pieces, len(text), len(shown) < len(text))


def _cut(text: str, pattern: re.Pattern[str]) -> list[Piece]:
    pieces, end = [], 0
    for hit in pattern.finditer(text):
        pieces += [Piece(text[end : hit.start()]), Piece(hit[0], is_hit=True)]
        end = hit.end()
    return [piece for piece in (*pieces, Piece(text[end:])) if piece.text]
