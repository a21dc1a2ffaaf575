"""Which examples an item's decision and reviews make. Pure: evidence in, drafts out.

SFT and ICL: the answer that stands. DPO: a task's winner against each loser, and a
correction against what it corrects. KTO: the same answers one by one, with a label.
Nothing is made of ties, of retracted reviews, or of tasks that are not done; answers
that are all bad are bad examples for KTO and none for DPO.

A change here that changes examples raises RULES_VERSION.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from curation.datasets.conversations import (
    Message,
    Unusable,
    answer_message,
    prompt_extras,
    prompt_messages,
    revised_message,
)
from curation.datasets.evidence import Evidence
from curation.models import Candidate, Decision, Revision
from curation.models.dataset import Kind
from curation.models.decision import Method
from curation.models.queue import Mode
from curation.models.review import Outcome

RULES_VERSION = 1


@dataclass(frozen=True)
class Answer:
    """What an example has as an answer: a candidate as it is, or a correction."""

    candidate: Candidate | None
    revision: Revision | None = None

    @property
    def key(self) -> tuple[int, int]:
        """Tell answers of one item apart."""
        return (
            self.candidate.pk if self.candidate else 0,
            self.revision.pk if self.revision else 0,
        )

    def message(self) -> Message:
        """Return it as the assistant's message; raises Unusable."""
        output = self.candidate.output if self.candidate else None
        if self.revision is not None:
            return revised_message(self.revision.text, output)
        if self.candidate is None or "characters" in self.candidate.checks:
            raise Unusable("the answer was too long to be stored whole")
        return answer_message(self.candidate.output)


@dataclass(frozen=True)
class Draft:
    """An example on its way: its answers by their place in the payload."""

    answers: dict[str, Answer]
    reviews: tuple[int, ...] = ()
    decision: Decision | None = None
    label: bool | None = None

    @property
    def imitated(self) -> Answer:
        """The answer that is to be learnt, or for KTO judged."""
        return self.answers.get("chosen") or self.answers["completion"]


@dataclass
class Examples:
    """An item's drafts, and how many were dropped because reviews contradict."""

    drafts: list[Draft] = field(default_factory=list)
    contradictory: int = 0


def draft(kind: str, evidence: Evidence) -> Examples:
    """Return the examples of one kind that an item makes."""
    if kind == Kind.DPO:
        return _preferences(evidence)
    if kind == Kind.KTO:
        return _labelled(evidence)
    answer = _answer(evidence, evidence.decision)
    if answer is None or (kind == Kind.ICL and not evidence.decision.is_gold):
        return Examples()
    reviews = next(
        (one.reviews for one in evidence.verdicts if _decides(evidence, one.task.pk)),
        (),
    )
    return Examples([Draft({"completion": answer}, reviews, evidence.decision)])


def _decides(evidence: Evidence, task_id: int) -> bool:
    return evidence.decision.task_id == task_id


def _answer(evidence: Evidence, decision: Decision) -> Answer | None:
    if decision.answer_revision_id is not None:
        return _corrected(evidence, evidence.revisions[decision.answer_revision_id])
    if decision.answer_candidate_id is None:
        return None
    # An answer to the prompt before a correction (`Rerun`) is none to this one.
    own = evidence.candidates.get(decision.answer_candidate_id)
    return Answer(own) if own is not None else None


def _corrected(evidence: Evidence, revision: Revision) -> Answer:
    candidate_id = revision.candidate_id
    return Answer(
        evidence.candidates.get(candidate_id) if candidate_id else None, revision
    )


def payload(kind: str, evidence: Evidence, drafted: Draft) -> dict[str, Any]:
    """Return an example's neutral form; raises Unusable."""
    prompt = evidence.item.input
    found: dict[str, Any] = {
        "prompt": prompt_messages(prompt),
        **prompt_extras(prompt),
        **{place: [answer.message()] for place, answer in drafted.answers.items()},
    }
    if drafted.label is not None:
        found["label"] = drafted.label
    if kind == Kind.DPO and _same(found["chosen"][0], found["rejected"][0]):
        raise Unusable("both answers are the same")
    return found


def _same(first: Message, second: Message) -> bool:
    one, two = ({**m, "content": m["content"].split()} for m in (first, second))
    return one == two


def _preferences(evidence: Evidence) -> Examples:
    pairs: dict[tuple[tuple[int, int], tuple[int, int]], Draft] = {}
    for better, worse, reviews, decision in _pairs(evidence):
        drafted = Draft({"chosen": better, "rejected": worse}, reviews, decision)
        pairs.setdefault((better.key, worse.key), drafted)
    fit = [one for (a, b), one in pairs.items() if (b, a) not in pairs]
    return Examples(fit, (len(pairs) - len(fit)) // 2)


Pair = tuple[Answer, Answer, tuple[int, ...], Decision | None]


def _pairs(evidence: Evidence) -> Iterator[Pair]:
    """Yield better and worse answers, and who said so."""
    for verdict in evidence.verdicts:
        decision = evidence.decision if _decides(evidence, verdict.task.pk) else None
        if verdict.mode == Mode.SINGLE or verdict.winner not in evidence.candidates:
            continue
        for candidate_id in verdict.task.candidate_ids:
            if candidate_id != verdict.winner and candidate_id in evidence.candidates:
                better = Answer(evidence.candidates[verdict.winner])
                worse = Answer(evidence.candidates[candidate_id])
                yield better, worse, verdict.reviews, decision
    yield from _imported_pairs(evidence)
    for revision, reviews in _corrections(evidence):
        better = _corrected(evidence, revision)
        if better.candidate is not None:
            decision = evidence.decision if _stands(evidence, revision) else None
            yield better, Answer(better.candidate), reviews, decision


def _imported_pairs(evidence: Evidence) -> Iterator[Pair]:
    """Yield the pairs of a foreign row that was decided before it came here."""
    decision = evidence.decision
    chosen = evidence.candidates.get(decision.answer_candidate_id or 0)
    if decision.method != Method.IMPORT or chosen is None:
        return
    row = (chosen.batch_id, chosen.custom_id)
    for other in evidence.candidates.values():
        if other.pk != chosen.pk and (other.batch_id, other.custom_id) == row:
            yield Answer(chosen), Answer(other), (), decision


def _stands(evidence: Evidence, revision: Revision) -> bool:
    return evidence.decision.answer_revision_id == revision.pk


def _corrections(evidence: Evidence) -> Iterator[tuple[Revision, tuple[int, ...]]]:
    """Yield the corrections that count, each with its review.

    Those of reviews that chose the winner, the one that stands, and imported ones.
    """
    winning = {
        review
        for verdict in evidence.verdicts
        if verdict.outcome == Outcome.WIN
        for review in verdict.reviews
    }
    for revision in evidence.revisions.values():
        is_imported = revision.review_id is None and revision.author_id is None
        is_won = revision.review_id in winning
        if is_won or _stands(evidence, revision) or is_imported:
            yield revision, ((revision.review_id,) if revision.review_id else ())


def _labelled(evidence: Evidence) -> Examples:
    labels: dict[tuple[int, int], Draft] = {}
    contradictory = set()
    for answer, is_good, reviews, decision in _judged(evidence):
        drafted = Draft({"completion": answer}, reviews, decision, is_good)
        if labels.setdefault(answer.key, drafted).label != is_good:
            contradictory.add(answer.key)
    fit = [one for key, one in labels.items() if key not in contradictory]
    return Examples(fit, len(contradictory))


Judged = tuple[Answer, bool, tuple[int, ...], Decision | None]


def _judged(evidence: Evidence) -> Iterator[Judged]:
    """Yield answers that are good or bad, and who said so."""
    corrected = {one.candidate_id for one, _ in _corrections(evidence)}
    for verdict in evidence.verdicts:
        decision = evidence.decision if _decides(evidence, verdict.task.pk) else None
        is_bad = verdict.outcome == Outcome.BOTH_BAD
        for candidate_id in verdict.task.candidate_ids:
            is_winner = candidate_id == verdict.winner
            # A winner that was corrected was the better one, and still not good.
            unclear = is_winner and candidate_id in corrected
            known = is_bad or verdict.winner is not None
            if known and not unclear and candidate_id in evidence.candidates:
                answer = Answer(evidence.candidates[candidate_id])
                yield answer, is_winner, verdict.reviews, decision
    for better, worse, reviews, decision in _imported_pairs(evidence):
        yield better, True, reviews, decision
        yield worse, False, reviews, decision
    for revision, reviews in _corrections(evidence):
        answer = _corrected(evidence, revision)
        yield answer, True, reviews, None
        if answer.candidate is not None:
            yield Answer(answer.candidate), False, reviews, None
