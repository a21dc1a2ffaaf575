"""Batches that ended with the answers a test asks for."""

import json
from typing import Any

from accounts.models import Project
from batches.handlers.running import run_next
from batches.models import BatchJob
from batches.outcomes import Outcome, Usage
from curation.models import Candidate, Item, Queue, Task
from tests.batches.ending import run
from tests.factories import line, make_model, make_project, make_running_batch
from workers.models import ServedModel

TAG = {"curation": "which is better"}


def outcome(body: Any) -> Outcome:
    """Return a success with this body: bytes, or what is written as JSON."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Outcome(200, content, Usage())


def chat(content: Any, **choice: Any) -> dict[str, Any]:
    """Return the body of a chat answer."""
    message = {"role": "assistant", "content": content}
    usage = {"prompt_tokens": 3, "completion_tokens": 2}
    choices = [{"index": 0, "message": message, "finish_reason": "stop", **choice}]
    return {"object": "chat.completion", "choices": choices, "usage": usage}


def ended(
    answers: dict[str, Any],
    project: Project | None = None,
    *,
    model: str = "stub",
    metadata: Any = TAG,
    **body: Any,
) -> BatchJob:
    """Make a batch of these prompts that ended with these answers: texts or bodies."""
    project = project or make_project()
    if not ServedModel.objects.filter(name=model).exists():
        make_model(model)
    requests = [
        line(f"{model}-{number}", prompt, model=model, **body)
        for number, prompt in enumerate(answers)
    ]
    batch = make_running_batch(*requests, project=project, metadata=metadata)
    bodies = [a if not isinstance(a, str) else chat(a) for a in answers.values()]
    return run(batch, *map(outcome, bodies))


def handled(*batches: BatchJob) -> None:
    """Let the curation handler run until nothing is due."""
    while run_next("curation"):
        pass
    for batch in batches:
        status = batch.handler_runs.get(handler="curation")
        assert status.status == "succeeded", status.last_error


def two_models(project: Project | None = None, metadata: Any = TAG) -> Project:
    """Let two models answer the same two prompts, and hand the answers over."""
    project = project or make_project()
    answers = {"One?": "Yes.", "Two?": "Maybe"}
    first = ended(answers, project, metadata=metadata)
    others = {"Two?": "maybe!", "One?": "No, never, and that is final."}
    second = ended(others, project, model="other", metadata=metadata)
    handled(first, second)
    return project


def counts() -> tuple[int, int, int]:
    """Count items, candidates and tasks."""
    return Item.objects.count(), Candidate.objects.count(), Task.objects.count()


def queue() -> Queue:
    """Return the only queue there is."""
    return Queue.objects.get()
