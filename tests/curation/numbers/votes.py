"""Votes in bulk for the tests of numbers: rows as the review pages leave them."""

from typing import Any

from curation.models import Candidate, JudgeRun, JudgeVerdict, Queue, Review, Task
from tests.curation.review.desk import make_candidate, make_task


def pair(queue: Queue, first: str = "a", second: str = "b") -> Task:
    """Make a task of two models' answers."""
    task = make_task(queue)
    for pk, model in zip(task.candidate_ids, (first, second), strict=True):
        Candidate.objects.filter(pk=pk).update(model=model)
    return task


def vote(task: Task, user: Any, verdict: str, left: int = 0, **fields: Any) -> Review:
    """Let somebody vote: "0" and "1" for an answer by its place, or an outcome.

    `left` is the place of the answer that was shown on the left.
    """
    ids = list(task.candidate_ids)
    is_win = verdict.isdigit()
    return Review.objects.create(
        task=task,
        reviewer=user,
        shown_order=[ids[left], *ids[:left], *ids[left + 1 :]],
        outcome="win" if is_win else verdict,
        winner_id=ids[int(verdict)] if is_win else None,
        **{"status": "submitted", **fields},
    )


def says(run: JudgeRun, task: Task, *words: str) -> None:
    """Let a judge say this in the two orders."""
    for is_reversed, word in zip((False, True), words, strict=True):
        is_win = word.isdigit()
        JudgeVerdict.objects.create(
            run=run,
            task=task,
            is_reversed=is_reversed,
            outcome="win" if is_win else word,
            winner_id=task.candidate_ids[int(word)] if is_win else None,
        )


def corrected(queue: Queue) -> Task:
    """Make a task of an answer and of what came of its corrected prompt."""
    old = make_task(queue, "old").candidate_ids[0]
    task = make_task(queue, "placeholder")
    new = make_candidate(task.item, "new", model="secret-model-0", parent_id=old)
    task.candidate_ids = [old, new.pk]
    task.save()
    return task
