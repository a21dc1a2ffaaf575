"""Reviewed queues, made through the review page, and datasets frozen of them."""

from itertools import count
from typing import Any

from django.core.management import call_command

from accounts.models import Project
from curation.models import Candidate, Dataset, DatasetVersion, Queue, Task
from tests.curation.review.desk import Desk, make_queue, make_task
from tests.factories import make_model, make_project
from workers.models import ServedModel

_numbers = count(1)
MODELS = ("secret-model-0", "secret-model-1", "secret-model-2")


def permit(*names: str, may: str = "yes") -> None:
    """Let these models' outputs train others."""
    for name in names or MODELS:
        if not ServedModel.objects.filter(name=name).exists():
            make_model(name, may_train_others=may, licence="Apache-2.0")


def reviewed(
    number: int = 3, project: Project | None = None, permitted: bool = True
) -> Queue:
    """Return a pair queue in which the first answer won so many times."""
    if permitted:
        permit()
    queue = make_queue(project or make_project())
    desk = Desk(queue)
    for _ in range(number):
        won(desk)
    return queue


def won(desk: Desk, *texts: str, prompt: Any = None, **body: Any) -> Task:
    """Let the first answer to a new prompt win."""
    name = next(_numbers)
    prompt = prompt or f"Question {name}?"
    texts = texts or (f"Good answer {name}.", f"A bad one, number {name}.")
    task = make_task(desk.queue, *texts, prompt=prompt)
    desk.vote_for(task.candidate_ids[0], **body)
    return task


def correct(desk: Desk, text: str, **body: Any) -> Task:
    """Let the first answer win after its text was corrected."""
    name = next(_numbers)
    task = make_task(
        desk.queue, f"Wrong {name}.", f"Worse {name}!", prompt=f"Ask {name}?"
    )
    review = desk.next()
    side = review.shown_order.index(task.candidate_ids[0])
    edits = {str(side): text}
    assert desk.submit(review, side=side, edits=edits, **body).status_code == 200
    return task


def freeze(queue: Queue, kind: str = "dpo", /, **options: Any) -> DatasetVersion:
    """Freeze a version of the queue's project by the command, all in train."""
    name = options.pop("name", f"set-{kind}")
    options = {"test_ratio": 0.0, **options}
    call_command(
        "freeze_dataset", name, project=queue.project.name, kind=kind, **options
    )
    dataset = Dataset.objects.get(project=queue.project, name=name)
    return dataset.versions.order_by("-number")[0]


def payloads(version: DatasetVersion) -> list[Any]:
    """Return a version's examples in order."""
    return list(version.members.order_by("ordinal").values_list("payload", flat=True))


def said(messages: list[Any]) -> str:
    """Return the text of the last message."""
    text = messages[-1]["content"]
    assert isinstance(text, str)
    return text


def pairs(version: DatasetVersion) -> list[tuple[str, str]]:
    """Return the texts of chosen and rejected answers."""
    return [(said(p["chosen"]), said(p["rejected"])) for p in payloads(version)]


def texts_of(task: Task) -> list[str]:
    """Return the texts of a task's answers in their order."""
    found = Candidate.objects.in_bulk(task.candidate_ids)
    return [found[pk].text for pk in task.candidate_ids]
