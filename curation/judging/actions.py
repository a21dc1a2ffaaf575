"""Ask a judge model about a queue's tasks: one ordinary batch, each pair both ways."""

import json
from collections.abc import Iterable, Iterator
from typing import IO

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet

from batches.faults import CHAT
from batches.models.batch import TERMINAL
from curation.audit.recording import SHELL, Actor, record
from curation.canonical import clean_text
from curation.catalog import check_models
from curation.exceptions import CurationError
from curation.ingest.prompts import prompt_text
from curation.judging.question import ask, wording
from curation.judging.verdicts import name_of, pages
from curation.making_batches import kept, store_batch, write_input
from curation.models import Candidate, JudgeRun, JudgeVerdict, Queue, Task
from curation.models.audit_event import Action
from curation.models.queue import Mode
from curation.models.task import State
from vllm_batch.lib.conf import conf

PAGE_TASKS = 100
LONGEST_INSTRUCTIONS = 10_000


def judge(
    queue: Queue, model: str, instructions: str = "", by: Actor = SHELL
) -> JudgeRun:
    """Start a judge run over the open tasks this judge has not seen, and return it.

    As many as fit into a batch, by priority; run it again for the rest. Raises
    CurationError if there are none, or if the queue or the model is not fit for it.
    """
    check_models([model], CHAT)
    instructions = clean_text(instructions.strip())
    _check(queue, model, instructions)
    run = JudgeRun(
        queue=queue,
        model=model,
        instructions=instructions,
        prompt_hash=wording(instructions),
    )
    count = 0

    def write(target: IO[bytes]) -> int:
        nonlocal count
        for line in _lines(run, target):
            target.write(line)
            count += 1
        return count

    file = write_input(queue.project, f"judge {queue.name}.jsonl", write)
    with kept([file]), transaction.atomic():
        if count == 0:
            raise CurationError(
                f"{model} has judged every open task of '{queue}' already, or there is"
                " none."
            )
        run.task_count = count // 2
        run.batch = store_batch(file, CHAT)
        run.save()
        detail = f"{run.task_count} tasks by {model} in {run.batch.pk}"
        project_id = queue.project_id
        record(Action.JUDGED, by, queue, project_id=project_id, detail=detail)
    return run


def _check(queue: Queue, model: str, instructions: str) -> None:
    if queue.mode != Mode.PAIR:
        raise CurationError(
            f"A judge compares two answers; '{queue}' is no pair queue."
        )
    if len(instructions) > LONGEST_INSTRUCTIONS:
        raise CurationError(
            f"The instructions have more than {LONGEST_INSTRUCTIONS} characters."
        )
    live = JudgeRun.objects.filter(
        queue=queue, model=model, prompt_hash=wording(instructions)
    ).exclude(batch__status__in=TERMINAL)
    if run := live.filter(batch__isnull=False).first():
        raise CurationError(f"{model} is at it already, in batch {run.batch_id}.")


def _lines(run: JudgeRun, target: IO[bytes]) -> Iterator[bytes]:
    """Yield two lines for each task, until the batch is full."""
    most = conf().BATCH_MAX_REQUESTS // 2
    ids = _unseen(run).values_list("pk", flat=True)[:most]
    for page in pages(ids.iterator(chunk_size=1000), PAGE_TASKS):
        found = Task.objects.select_related("item").in_bulk(page)
        texts = _texts(found.values())
        for task in (found[pk] for pk in page if pk in found):
            lines = [_line(run, task, texts, is_reversed=r) for r in (False, True)]
            if target.tell() + sum(map(len, lines)) > conf().BATCH_MAX_BYTES:
                return
            yield from lines


def _unseen(run: JudgeRun) -> QuerySet[Task]:
    seen = JudgeVerdict.objects.filter(
        task=OuterRef("pk"), run__model=run.model, run__prompt_hash=run.prompt_hash
    )
    tasks = Task.objects.filter(~Exists(seen), queue=run.queue, state=State.OPEN)
    return tasks.order_by("-priority", "pk")


def _texts(tasks: Iterable[Task]) -> dict[int, str]:
    ids = [pk for task in tasks for pk in task.candidate_ids]
    return dict(Candidate.objects.filter(pk__in=ids).values_list("pk", "text"))


def _line(
    run: JudgeRun, task: Task, texts: dict[int, str], *, is_reversed: bool
) -> bytes:
    first, second = (texts.get(pk, "") for pk in task.candidate_ids)
    answers = (second, first) if is_reversed else (first, second)
    body = ask(run.model, prompt_text(task.item.input), answers, run.instructions)
    line = {
        "custom_id": name_of(task.pk, is_reversed),
        "method": "POST",
        "url": CHAT,
        "body": body,
    }
    return json.dumps(line).encode() + b"\n"
