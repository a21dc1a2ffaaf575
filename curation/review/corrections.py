"""Reviewers' corrections as a lead chooses among them: each against what it is not."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from curation.models import Revision, Task
from curation.review.cards import letter_of
from curation.review.diffing import Part, TooLarge, diff

# Digits are keys; the comparisons of hostile texts take the server a second each.
MOST_KEYS, MOST_COMPARED = 9, 12


@dataclass(frozen=True)
class Comparison:
    """How one text came from another; `parts` is None if that cannot be shown."""

    title: str
    parts: Sequence[Part] | None

    @property
    def is_same(self) -> bool:
        """Tell whether the texts are equal."""
        return self.parts is not None and all(one.kind == "same" for one in self.parts)


@dataclass(frozen=True)
class Correction:
    """One reviewer's text, its key, and how it differs from what the model wrote."""

    revision_id: int
    letter: str
    author: str
    key: str
    text: str
    from_original: Comparison


@dataclass(frozen=True)
class Corrections:
    """All corrections of a task, and those of the same answer against each other."""

    each: Sequence[Correction]
    between: Sequence[Comparison]
    is_cut: bool


def corrections_of(task: Task, revisions: Sequence[Revision]) -> Corrections:
    """Return what a lead may choose; the keys go on where those of the answers end."""
    budget = _Budget(MOST_COMPARED)
    first = len(task.candidate_ids) + 1
    each = [
        _correction(task, revision, first + place, budget)
        for place, revision in enumerate(revisions)
    ]
    pairs = [
        (one, other)
        for one, other in combinations(revisions, 2)
        if one.candidate_id == other.candidate_id
    ]
    between = [
        budget.compare(_versus(task, one, other), one.text, other.text)
        for one, other in pairs
        if budget.is_left
    ]
    is_cut = len(between) < len(pairs) or len(each) > MOST_COMPARED
    return Corrections(each, between, is_cut)


def _versus(task: Task, one: Revision, other: Revision) -> str:
    whose = f"{_letter(task, one)}: {_author(one)}"
    return f"{whose}, and what {_author(other)} has instead"


class _Budget:
    """Compares so many texts and no more."""

    def __init__(self, most: int) -> None:
        self._left = most

    @property
    def is_left(self) -> bool:
        return self._left > 0

    def compare(self, title: str, old: str, new: str) -> Comparison:
        if not self.is_left:
            return Comparison(title, None)
        self._left -= 1
        try:
            return Comparison(title, diff(old, new))
        except TooLarge:
            return Comparison(title, None)


def _correction(
    task: Task, revision: Revision, number: int, budget: _Budget
) -> Correction:
    original = revision.candidate.text if revision.candidate else ""
    letter = _letter(task, revision)
    title = f"{letter}, and what {_author(revision)} made of it"
    return Correction(
        revision_id=revision.pk,
        letter=letter,
        author=_author(revision),
        key=str(number) if number <= MOST_KEYS else "",
        text=revision.text,
        from_original=budget.compare(title, original, revision.text),
    )


def _letter(task: Task, revision: Revision) -> str:
    return letter_of(task.candidate_ids.index(revision.candidate_id))


def _author(revision: Revision) -> str:
    return revision.author.get_username() if revision.author else "an import"
