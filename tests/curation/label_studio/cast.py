"""Batches of two models over the same prompts, and what annotators say."""

import json
from io import StringIO
from typing import Any

from django.core.management import call_command

from accounts.models import Project
from batches.handlers.running import run_next
from batches.models import BatchJob
from batches.outcomes import Outcome, Usage
from curation.models import Candidate, Queue, Review, Task
from tests.batches.ending import run
from tests.factories import line, make_running_batch
from workers.models import ServedModel

QUEUE = "red or blue"
# Who annotates there, as our users.
ALICE, BOB = "labelstudio+a@example.com", "labelstudio+b@example.com"


def answered(text: str) -> Outcome:
    """An engine's answer of this text."""
    message = {"role": "assistant", "content": text}
    body = {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
    return Outcome(200, json.dumps(body).encode(), Usage(7, 2, 0, 0))


def make_batch_of(
    project: Project, model: str, count: int = 3, **metadata: str
) -> BatchJob:
    """An ended batch: prompt number i is answered with `{model} says **i**`."""
    ServedModel.objects.get_or_create(name=model, defaults={"engine": "stub"})
    requests = [
        line(f"l{number}", f"What is {number}?", model=model) for number in range(count)
    ]
    tags = {"label_studio": QUEUE, **metadata}
    batch = make_running_batch(*requests, project=project, model=model, metadata=tags)
    texts = [f"{model} says **{number}**" for number in range(count)]
    return run(batch, *map(answered, texts))


def queue() -> Queue:
    """Return the queue that those batches go to."""
    return Queue.objects.get(name=QUEUE)


def tasks() -> list[Task]:
    """Return its tasks."""
    return list(queue().tasks.order_by("pk"))


def candidate(task: Task, model: str) -> Candidate:
    """Return a model's answer in a task."""
    return Candidate.objects.get(pk__in=task.candidate_ids, model=model)


def verdict_for(remote: dict[str, Any], answer: Candidate) -> dict[str, Any]:
    """The result of choosing this answer, on whatever side it stands."""
    (side,) = [s for s, pk in remote["data"]["shown"].items() if pk == answer.pk]
    return verdict(f"{side.upper()} better")


def verdict(word: str) -> dict[str, Any]:
    """The result of choosing a verdict."""
    return _result("verdict", "choices", {"choices": [word]})


def gold() -> dict[str, Any]:
    """The result of the gold star."""
    return _result("gold", "choices", {"choices": ["gold"]})


def correction(text: str) -> dict[str, Any]:
    """The result of writing a correction."""
    return _result("correction", "textarea", {"text": [text]})


def _result(name: str, kind: str, value: Any) -> dict[str, Any]:
    return {
        "id": name,
        "from_name": name,
        "to_name": "prompt",
        "type": kind,
        "value": value,
    }


def pull(*options: str) -> str:
    """Pull by the command; return what it says."""
    out = StringIO()
    call_command("pull_label_studio", *options, stdout=out)
    return out.getvalue()


def reviews() -> list[tuple[str, str, int | None, str]]:
    """Return all reviews: who, outcome, winner, status."""
    return [
        (r.reviewer.get_username(), r.outcome, r.winner_id, r.status)
        for r in Review.objects.select_related("reviewer").order_by("pk")
    ]


def push_all() -> None:
    """Let the handler do all it has to."""
    while run_next("label_studio"):
        pass
