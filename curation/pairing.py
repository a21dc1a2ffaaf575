"""Make tasks of two answers that are given, not found by models."""

import random
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from curation.models import Candidate, Queue, Task
from curation.ordering.priority import Judged, rate
from curation.ordering.tasking import hash_of

_random = random.SystemRandom()


class Couple(NamedTuple):
    """Two answers, and the item under which they are judged."""

    item_id: int
    answers: tuple[Candidate, Candidate]


def make_couples(
    queue: Queue, couples: Iterable[Couple], reasons: Sequence[str] = ()
) -> int:
    """Make a task of each couple that has none; return how many couples there are."""
    tasks = [_task(queue, couple, reasons) for couple in couples]
    Task.objects.bulk_create(tasks, ignore_conflicts=True)
    return len(tasks)


def _task(queue: Queue, couple: Couple, reasons: Sequence[str]) -> Task:
    group = sorted(couple.answers, key=lambda candidate: candidate.pk)
    rating = rate([_judged(candidate) for candidate in group])
    return Task(
        queue=queue,
        item_id=couple.item_id,
        candidate_ids=[candidate.pk for candidate in group],
        candidates_hash=hash_of(group),
        priority=rating.priority,
        reasons=[*reasons, *rating.reasons],
        random_key=_random.random(),
        open_slots=queue.reviews_required,
    )


def _judged(candidate: Candidate) -> Judged:
    checks = candidate.checks
    return Judged(
        normal_hash=checks.get("normal_hash", candidate.text_hash),
        length=checks.get("length", len(candidate.text)),
        least_gap=candidate.logprob_least_gap,
        breaks_schema=checks.get("schema") is False,
    )
