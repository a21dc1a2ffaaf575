"""Read a judge's answer, which may be anything. Pure."""

import json
import re
from typing import NamedTuple

from curation.canonical import clean_text
from curation.models import VerdictOutcome

# The verdict stands at the end; what comes before is thinking.
READ_CHARACTERS = 20_000
LONGEST_REASON = 2_000
_OBJECT = re.compile(r"\{[^{}]*\}")
_WORDS = re.compile(r'verdict"?\s*[:=]?\s*\**"?\'?\s*(1|2|tie)\b', re.IGNORECASE)
_BRACKETS = re.compile(r"\[\[(1|2|a|b|c|tie)\]\]", re.IGNORECASE)
_PLACES = {"1": 0, "a": 0, "answer 1": 0, "2": 1, "b": 1, "answer 2": 1}
_TIES = ("tie", "c", "equal", "both", "neither")


class Word(NamedTuple):
    """What a judge said: the place of the better answer, if there is one."""

    outcome: VerdictOutcome
    place: int | None = None
    reason: str = ""


UNCLEAR = Word(VerdictOutcome.UNCLEAR)


def read_word(text: str | None) -> Word:
    """Return the last verdict in a text: a JSON object's, or one in plain words."""
    if not text:
        return UNCLEAR
    end = text[-READ_CHARACTERS:]
    for found in reversed(_OBJECT.findall(end)):
        word = _of_object(found)
        if word is not None:
            return word
    for pattern in (_WORDS, _BRACKETS):
        if said := pattern.findall(end):
            return _word(said[-1], "") or UNCLEAR
    return Word(VerdictOutcome.UNCLEAR, None, clean_text(end[-LONGEST_REASON:]))


def _of_object(text: str) -> Word | None:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, dict) or "verdict" not in document:
        return None
    reason = document.get("reason")
    return _word(document["verdict"], reason if isinstance(reason, str) else "")


def _word(verdict: object, reason: str) -> Word | None:
    said = str(verdict).strip().lower() if isinstance(verdict, str | int) else ""
    reason = clean_text(reason[:LONGEST_REASON])
    if said in _PLACES:
        return Word(VerdictOutcome.WIN, _PLACES[said], reason)
    return Word(VerdictOutcome.TIE, None, reason) if said in _TIES else None
