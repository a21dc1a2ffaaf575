"""Which answers to an item meet in a task. Pure."""

from collections.abc import Sequence
from itertools import combinations

from curation.models import Candidate
from curation.models.queue import Mode

Group = tuple[Candidate, ...]


def groups(mode: str, candidates: Sequence[Candidate]) -> list[Group]:
    """Return the groups that a queue of this mode asks about, ids ascending.

    single: each answer. pair: every two answers that another model, revision or set of
    parameters gave. rank: all of them, if there are two.
    """
    ordered = sorted(candidates, key=lambda candidate: candidate.pk)
    if mode == Mode.SINGLE:
        return [(candidate,) for candidate in ordered]
    if mode == Mode.RANK:
        return [tuple(ordered)] if len(ordered) > 1 else []
    return [
        (first, second)
        for first, second in combinations(ordered, 2)
        if _origin(first) != _origin(second)
    ]


def _origin(candidate: Candidate) -> tuple[str, str, str]:
    return candidate.model, candidate.model_revision, candidate.parameters_hash
