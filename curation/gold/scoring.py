"""How an answer compares with the gold one. Pure."""

from typing import NamedTuple

from curation.ordering.priority import normalise
from curation.review.diffing import edit_ratio


class Score(NamedTuple):
    """Whether it says the same, has its form (None: none was asked for), how alike."""

    is_exact: bool
    is_valid: bool | None
    similarity: float

    def is_regression(self, threshold: float) -> bool:
        """Tell whether a person should look: less alike, or not in its form."""
        return self.is_valid is False or self.similarity < threshold


def score(gold: str, answer: str, is_valid: bool | None) -> Score:
    """Compare two texts without case, punctuation, white space and JSON's spelling.

    Similarity is the share of words that two texts have in common, in order, from 0 to
    1. It knows no synonyms: a low one says "look", not "wrong".
    """
    one, other = normalise(gold), normalise(answer)
    if one == other:
        return Score(True, is_valid, 1.0)
    return Score(False, is_valid, round(1 - edit_ratio(one, other), 4))
