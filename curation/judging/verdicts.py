"""Take a judge's answers in: verdicts, and the order of tasks that follows."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

from batches.handlers import Result
from curation.judging.reading import Word, read_word
from curation.models import JudgeRun, JudgeVerdict, Task
from curation.ordering.tasking import make_tasks

T = TypeVar("T")
PAGE_VERDICTS = 500
FORWARD, REVERSED = "forward", "reversed"


def name_of(task_id: int, is_reversed: bool) -> str:
    """Return the custom id of the line that asks about a task in one order."""
    return f"task-{task_id}-{REVERSED if is_reversed else FORWARD}"


def take_verdicts(run: JudgeRun, results: Iterable[Result]) -> int:
    """Store what the judge said and order the tasks by it; return how many verdicts.

    Safe to repeat: the first verdict on a task in an order stands.
    """
    count = 0
    for page in pages(results, PAGE_VERDICTS):
        rows = list(_verdicts(run, page))
        JudgeVerdict.objects.bulk_create(rows, ignore_conflicts=True)
        count += len(rows)
    _order(run)
    return count


def pages(found: Iterable[T], size: int) -> Iterator[list[T]]:
    """Cut what is found into lists of so many."""
    rest = iter(found)
    while page := list(islice(rest, size)):
        yield page


def _verdicts(run: JudgeRun, results: list[Result]) -> Iterator[JudgeVerdict]:
    asked = {result.custom_id: result for result in results if result.is_success}
    names = {name: _parse(name) for name in asked}
    ids = [place[0] for place in names.values() if place is not None]
    tasks = Task.objects.filter(queue=run.queue_id, pk__in=ids).in_bulk()
    for name, place in names.items():
        task = tasks.get(place[0]) if place else None
        if place is not None and task is not None:
            yield _verdict(run, task, place[1], read_word(asked[name].text))


def _parse(name: str) -> tuple[int, bool] | None:
    parts = name.split("-")
    if len(parts) != 3 or not (parts[1].isascii() and parts[1].isdigit()):
        return None
    if len(parts[1]) > 18 or parts[2] not in (FORWARD, REVERSED):
        return None
    return int(parts[1]), parts[2] == REVERSED


def _verdict(run: JudgeRun, task: Task, is_reversed: bool, word: Word) -> JudgeVerdict:
    ids = task.candidate_ids[::-1] if is_reversed else task.candidate_ids
    return JudgeVerdict(
        run=run,
        task=task,
        is_reversed=is_reversed,
        outcome=word.outcome,
        winner_id=None if word.place is None else ids[word.place],
        reason=word.reason,
    )


def _order(run: JudgeRun) -> None:
    tasks = Task.objects.filter(judge_verdicts__run=run).order_by("pk").distinct()
    items = tasks.values_list("item_id", flat=True).iterator(chunk_size=PAGE_VERDICTS)
    for page in pages(items, PAGE_VERDICTS):
        make_tasks(run.queue, page)
