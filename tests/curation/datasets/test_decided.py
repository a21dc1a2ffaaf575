"""Rows that tests store of decisions are those that the review page stores."""

from typing import Any

import pytest
from django.db.models import Model

from curation.models import (
    Candidate,
    DatasetVersion,
    Decision,
    Item,
    Queue,
    Review,
    Task,
)
from tests.curation.datasets.decided import decide
from tests.curation.datasets.reviewed import freeze, permit, won
from tests.curation.review.desk import Desk, make_queue

pytestmark = pytest.mark.django_db
PROMPTS = ("One?", "Two?", "Three?")
# Who, when and which differ: ids, the drawn order of sides, how tests name lines.
OWN = {
    "id", "project_id", "item_id", "queue_id", "task_id", "reviewer_id", "winner_id",
    "answer_candidate_id", "candidate_ids", "shown_order", "created_at", "submitted_at",
    "mutation_id", "input_hash", "candidates_hash", "batch_id", "line", "custom_id",
    "decided_by_id",
}  # fmt: skip


def by_page(is_gold: bool) -> Queue:
    desk = Desk(make_queue())
    for prompt in PROMPTS:
        won(desk, f"Good: {prompt}", f"Bad: {prompt}", prompt=prompt, is_gold=is_gold)
    return desk.queue


def by_rows(is_gold: bool) -> Queue:
    desk = Desk(make_queue())
    asked = [
        (
            {"messages": [{"role": "user", "content": prompt}]},
            (f"Good: {prompt}", f"Bad: {prompt}"),
        )
        for prompt in PROMPTS
    ]
    decide(desk.queue, desk.user, asked, is_gold=is_gold)
    return desk.queue


def stored(model: type[Model], **of: Any) -> list[dict[str, Any]]:
    rows = model._default_manager.filter(**of).order_by("pk").values()
    return [
        {key: value is None if key in OWN else value for key, value in row.items()}
        for row in rows
    ]


def everything(queue: Queue) -> dict[str, list[dict[str, Any]]]:
    return {
        "items": stored(Item, tasks__queue=queue),
        "candidates": stored(Candidate, item__tasks__queue=queue),
        "tasks": stored(Task, queue=queue),
        "reviews": stored(Review, task__queue=queue),
        "decisions": stored(Decision, task__queue=queue),
    }


def examples(version: DatasetVersion) -> list[tuple[Any, ...]]:
    return [
        (
            one.payload,
            one.split,
            one.payload_hash,
            sorted(one.provenance),
            [answer["model"] for answer in one.provenance["answers"].values()],
            len(one.provenance["reviews"]),
            one.provenance["decision"] is None,
        )
        for one in version.members.order_by("ordinal")
    ]


@pytest.mark.parametrize("is_gold", [False, True])
def test_rows_are_as_the_page_stores_them(is_gold):
    assert everything(by_rows(is_gold)) == everything(by_page(is_gold))


@pytest.mark.parametrize("kind", ["sft", "dpo", "kto", "icl"])
def test_they_make_the_same_examples(kind):
    permit()

    frozen = [freeze(make(kind == "icl"), kind) for make in (by_rows, by_page)]

    assert examples(frozen[0]) == examples(frozen[1])
    assert len(examples(frozen[0])) == (6 if kind == "kto" else 3)
