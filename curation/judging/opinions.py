"""What a judge's two verdicts on a task come to (the rule of MT-bench)."""

from collections.abc import Iterable
from typing import NamedTuple

from curation.models import JudgeVerdict, VerdictOutcome


class Opinion(NamedTuple):
    """A judge's opinion of a task: a winner, or a tie (`winner_id` is None).

    Contested: the two orders did not lead to the same verdict. Show none of it to a
    reviewer who has not voted.
    """

    model: str
    winner_id: int | None
    is_contested: bool


def opinions_of(task_ids: Iterable[int]) -> dict[int, Opinion]:
    """Return the opinion of the last run that judged a task in both orders, by task."""
    verdicts = JudgeVerdict.objects.filter(task_id__in=list(task_ids))
    both: dict[tuple[int, int], list[JudgeVerdict]] = {}
    for verdict in verdicts.select_related("run").order_by("run_id"):
        both.setdefault((verdict.run_id, verdict.task_id), []).append(verdict)
    return {
        task_id: _opinion(*found)
        for (_, task_id), found in both.items()
        if len(found) == 2
    }


def _opinion(first: JudgeVerdict, second: JudgeVerdict) -> Opinion:
    agree = (first.outcome, first.winner_id) == (second.outcome, second.winner_id)
    is_clear = agree and first.outcome != VerdictOutcome.UNCLEAR
    winner = first.winner_id if is_clear else None
    return Opinion(first.run.model, winner, not is_clear)
