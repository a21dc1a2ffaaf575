"""Decided tasks as the review page leaves them, stored without walking through it.

The page takes a tenth of a second for each. `test_decided.py` holds them together.
"""

import hashlib
import uuid
from collections.abc import Iterator, Sequence
from typing import Any

from django.utils import timezone

from curation.models import Candidate, Decision, Item, Queue, Review, Task
from curation.models.decision import Method
from curation.models.review import Outcome, ReviewStatus
from curation.models.task import State

# A request's body and the answers to it, of which the first is the best.
Asked = tuple[dict[str, Any], Sequence[str]]


def decide(
    queue: Queue,
    reviewer: Any,
    asked: Sequence[Asked],
    *,
    first: int = 0,
    is_gold: bool = False,
) -> None:
    """Let the first answer to each prompt win.

    `first` is how many the queue has already; the numbers decide about splits.
    """
    items = Item.objects.bulk_create(
        Item(project=queue.project, input=body, input_hash=f"row {number}")
        for number, (body, _) in enumerate(asked, first)
    )
    rows = zip(items, asked, strict=True)
    answers = [
        list(_answers(queue, item, texts, line))
        for line, (item, (_, texts)) in enumerate(rows, first)
    ]
    Candidate.objects.bulk_create(one for each in answers for one in each)
    tasks = Task.objects.bulk_create(
        _task(queue, item, [one.pk for one in own])
        for item, own in zip(items, answers, strict=True)
    )
    Review.objects.bulk_create(_review(task, reviewer, is_gold) for task in tasks)
    Decision.objects.bulk_create(_decision(task, reviewer, is_gold) for task in tasks)


def _answers(
    queue: Queue, item: Item, texts: Sequence[str], line: int
) -> Iterator[Candidate]:
    for side, text in enumerate(texts):
        yield Candidate(
            item=item,
            batch_id=f"batch_{queue.pk}_{side}",
            line=line,
            custom_id=f"line-{line}",
            model=f"secret-model-{side}",
            parameters_hash="",
            output={"role": "assistant", "content": text},
            text=text,
            text_hash=hashlib.sha256(text.encode()).hexdigest(),
        )


def _task(queue: Queue, item: Item, ids: list[int]) -> Task:
    return Task(
        queue=queue,
        item=item,
        candidate_ids=ids,
        candidates_hash=item.input_hash,
        state=State.DONE,
        open_slots=0,
        review_count=1,
        version=2,
    )


def _review(task: Task, reviewer: Any, is_gold: bool) -> Review:
    return Review(
        task=task,
        reviewer=reviewer,
        shown_order=task.candidate_ids,
        outcome=Outcome.WIN,
        winner_id=task.candidate_ids[0],
        is_gold=is_gold,
        status=ReviewStatus.SUBMITTED,
        submitted_at=timezone.now(),
        mutation_id=uuid.uuid4().hex,
        version=1,
    )


def _decision(task: Task, reviewer: Any, is_gold: bool) -> Decision:
    return Decision(
        item_id=task.item_id,
        task=task,
        answer_candidate_id=task.candidate_ids[0],
        is_gold=is_gold,
        method=Method.SINGLE,
        decided_by=reviewer,
    )
