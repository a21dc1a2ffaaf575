"""What the reviews of a task amount to. Pure: votes in, a ruling out."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from curation.models.decision import Method
from curation.models.review import Outcome


@dataclass(frozen=True, kw_only=True)
class Vote:
    """One review that counts. `revisions` are its corrections, by candidate."""

    outcome: str
    reviewer_id: int
    winner_id: int | None = None
    is_gold: bool = False
    revisions: tuple[tuple[int, str, int], ...] = ()

    @property
    def verdict(self) -> tuple[str, int | None]:
        """What the reviewers have to agree on."""
        return self.outcome, self.winner_id

    def correction(self) -> tuple[str, int] | None:
        """Return the hash and the id of the correction this vote stands for.

        That is the winner's; without a winner the only one there is.
        """
        mine = [
            (text_hash, pk)
            for candidate_id, text_hash, pk in self.revisions
            if self.winner_id in (None, candidate_id)
        ]
        return mine[0] if len(mine) == 1 else None


@dataclass(frozen=True, kw_only=True)
class Ruling:
    """The answer that stands: a candidate, a revision or, if all are bad, none."""

    method: str
    candidate_id: int | None = None
    revision_id: int | None = None
    is_gold: bool = False
    decided_by: int | None = None


@dataclass(frozen=True)
class Disagreement:
    """The reviewers do not agree: a lead has to decide."""


def rule(votes: Sequence[Vote], required: int) -> Ruling | Disagreement | None:
    """Return the ruling; None while reviews are missing.

    More than half of the votes must be the same. Different corrections of the winner
    are a disagreement as well.
    """
    if len(votes) < max(1, required):
        return None
    (verdict, count), *_ = Counter(vote.verdict for vote in votes).most_common(1)
    if 2 * count <= len(votes):
        return Disagreement()
    agreeing = [vote for vote in votes if vote.verdict == verdict]
    corrections = dict(filter(None, (vote.correction() for vote in agreeing)))
    if len(corrections) > 1:
        return Disagreement()
    revision_id = next(iter(corrections.values()), None)
    stars = sum(vote.is_gold for vote in agreeing)
    is_single = len(votes) == 1
    is_win = verdict[0] == Outcome.WIN
    return Ruling(
        method=Method.SINGLE if is_single else Method.MAJORITY,
        candidate_id=verdict[1] if is_win and revision_id is None else None,
        revision_id=revision_id,
        is_gold=2 * stars > len(agreeing),
        decided_by=votes[0].reviewer_id if is_single else None,
    )
