"""How much a person's vote on a task would tell: from 0 to 1, with reasons. Pure.

Weights: answers that differ 0.5, a model that was unsure 0.2, an answer that breaks its
schema 0.2, lengths that differ 0.1. A judge model that changed its mind with the order
adds 0.3; one that was sure halves it. Judges give no reasons: reviewers read those.
"""

import json
import math
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from curation.canonical import canonical, digest_text

DIFFERING, UNSURE, BROKEN, LENGTHS = 0.5, 0.2, 0.2, 0.1
CONTESTED, SURE = 0.3, 0.5
# A gap of so many nats (a tenth as likely) and more says that the model was sure.
SURE_GAP = 2.3
# From here on lengths differ as much as they can.
LARGEST_RATIO = 8.0
WORTH_A_WORD = 0.25
_NO_WORD = re.compile(r"[\W_]+")
HASH_LETTERS = 16


@dataclass(frozen=True)
class Judged:
    """What of an answer decides the order."""

    normal_hash: str
    length: int
    least_gap: float | None = None
    breaks_schema: bool = False


@dataclass(frozen=True)
class Rating:
    """A task's priority, and why, in words for reviewers and leads."""

    priority: float
    reasons: list[str]


def normalise(text: str) -> str:
    """Return an answer without what does not count: case, white space, punctuation.

    A JSON document is spelled canonically, so that only its values count.
    """
    if text.lstrip()[:1] in ("{", "["):
        try:
            return canonical(json.loads(text))
        except (ValueError, RecursionError):
            pass
    folded = unicodedata.normalize("NFKC", text).casefold()
    # Of an answer without a word, such as "?!", all counts.
    return _NO_WORD.sub(" ", folded).strip() or folded


def normal_hash(text: str) -> str:
    """Return a short hash that is equal for answers that say the same."""
    return digest_text(normalise(text))[:HASH_LETTERS]


def rate(
    shown: Sequence[Judged],
    others: Sequence[Judged] = (),
    *,
    is_contested: bool | None = None,
) -> Rating:
    """Rate a task by the answers it shows.

    A task of one answer is compared with the `others` to its item. `is_contested`
    tells what a judge model said, None without one.
    """
    known = shown if len(shown) > 1 else [*shown, *others]
    found = [
        (DIFFERING, *_differing(known)),
        (UNSURE, *_unsure(shown)),
        (BROKEN, *_broken(shown)),
        (LENGTHS, *_lengths(known)),
    ]
    priority = sum(weight * signal for weight, signal, _ in found)
    if is_contested is not None:
        priority = min(1.0, priority + CONTESTED) if is_contested else priority * SURE
    reasons = [words for _, signal, words in found if signal >= WORTH_A_WORD]
    return Rating(round(priority, 4), reasons)


def _differing(answers: Sequence[Judged]) -> tuple[float, str]:
    count = len({answer.normal_hash for answer in answers})
    if len(answers) < 2 or count < 2:
        return 0.0, ""
    words = "the answers differ"
    if len(answers) > 2:
        words = f"{count} different answers among {len(answers)}"
    return (count - 1) / (len(answers) - 1), words


def _unsure(answers: Sequence[Judged]) -> tuple[float, str]:
    gaps = [max(a.least_gap, 0.0) for a in answers if a.least_gap is not None]
    if not gaps:
        return 0.0, ""
    gap = min(gaps)
    signal = max(0.0, 1 - gap / SURE_GAP)
    return signal, f"a model was unsure of a word (logprob gap {gap:.2f})"


def _broken(answers: Sequence[Judged]) -> tuple[float, str]:
    count = sum(answer.breaks_schema for answer in answers)
    words = "an answer is not in the form asked for"
    if count > 1:
        words = f"{count} answers are not in the form asked for"
    return float(count > 0), words


def _lengths(answers: Sequence[Judged]) -> tuple[float, str]:
    if len({answer.normal_hash for answer in answers}) < 2:
        return 0.0, ""
    lengths = [max(answer.length, 1) for answer in answers]
    ratio = max(lengths) / min(lengths)
    signal = min(1.0, math.log(ratio) / math.log(LARGEST_RATIO))
    return signal, f"the longest answer is {ratio:.1f} times the shortest"
