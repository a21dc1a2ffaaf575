"""An annotation in our terms: which of our answers it is about."""

from collections.abc import Sequence
from dataclasses import dataclass

from curation.label_studio import labelling
from curation.label_studio.annotations import Annotation
from curation.models import Candidate
from curation.models.review import Outcome
from curation.review.diffing import edit_ratio


@dataclass(frozen=True)
class Reading:
    """A judgement, with sides put back to the answers that stood there.

    `corrected` is the answer that the correction is of: the winner, else the closest.
    """

    outcome: Outcome
    winner: Candidate | None
    correction: str
    corrected: Candidate | None
    is_gold: bool
    note: str = ""


def read(annotation: Annotation, shown: Sequence[Candidate]) -> Reading:
    """Translate an annotation of a task whose answers stood so, from left to right."""
    outcome, winner = _outcome(annotation, shown)
    correction = annotation.correction
    # A copy is none: what the page offers as a start comes back untouched.
    if correction.strip() in ("", *(one.text.strip() for one in shown)):
        correction = ""
    return Reading(
        outcome=outcome,
        winner=winner,
        correction=correction,
        corrected=winner or _closest(correction, shown) if correction else None,
        is_gold=annotation.is_gold and not annotation.is_skipped,
        note="" if annotation.verdict or annotation.is_skipped else "No verdict.",
    )


def _closest(correction: str, shown: Sequence[Candidate]) -> Candidate:
    return min(shown, key=lambda one: edit_ratio(one.text, correction))


def _outcome(
    annotation: Annotation, shown: Sequence[Candidate]
) -> tuple[Outcome, Candidate | None]:
    if annotation.is_skipped:
        return Outcome.SKIP, None
    wins = {
        labelling.A_BETTER: shown[0],
        labelling.B_BETTER: shown[-1],
        labelling.GOOD: shown[0],
    }
    if annotation.verdict in wins:
        return Outcome.WIN, wins[annotation.verdict]
    others = {
        labelling.TIE: Outcome.TIE,
        labelling.BOTH_BAD: Outcome.BOTH_BAD,
        labelling.BAD: Outcome.BOTH_BAD,
    }
    # Without a verdict it is for somebody to look at.
    return others.get(annotation.verdict, Outcome.FLAG), None
