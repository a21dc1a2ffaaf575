"""One of our tasks as Label Studio gets it. The same task always gives the same."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from curation.canonical import clean_text, digest, digest_text
from curation.ingest.prompts import prompt_text
from curation.label_studio import labelling
from curation.models import Candidate, Task
from curation.models.queue import Mode, Queue
from curation.review.markdown import render


@dataclass(frozen=True)
class Payload:
    """A task on its way: `shown` are the candidates' ids from left to right."""

    task: Task
    ext_id: str
    shown: list[int]
    body: dict[str, Any]

    @property
    def digest(self) -> str:
        """The same as long as the remote task needs no update."""
        return digest(self.body)


def ext_id_of(task: Task, candidates: Sequence[Candidate]) -> str:
    """Return the name that the task has over there, bound to what it asks.

    A database that was set up anew numbers its tasks from one again: the digest keeps
    them from being taken for those of the old one.
    """
    parts = [task.item.input_hash, *(one.text_hash for one in candidates)]
    return f"task:{task.pk}:{digest_text(chr(0).join(parts))[:16]}"


def shown_order(ext_id: str, candidates: Sequence[Candidate]) -> list[int]:
    """Draw who stands on the left, the same again each time."""
    ids = [candidate.pk for candidate in candidates]
    random.Random(ext_id).shuffle(ids)  # noqa: S311 - a side, not a secret
    return ids


def make_payload(queue: Queue, task: Task, candidates: Sequence[Candidate]) -> Payload:
    """Return what is to lie in Label Studio for a task."""
    ext_id = ext_id_of(task, candidates)
    shown = shown_order(ext_id, candidates)
    sides = labelling.SIDES[Mode(queue.mode)]
    by_id = {candidate.pk: candidate for candidate in candidates}
    answers = {side: by_id[pk] for side, pk in zip(sides, shown, strict=True)}
    data: dict[str, Any] = {
        "prompt": clean_text(prompt_text(task.item.input)),
        "ext_id": ext_id,
        "shown": {side: answer.pk for side, answer in answers.items()},
    }
    for side, answer in answers.items():
        data[f"answer_{side}_html"] = str(render(answer.text))
        data[f"name_{side}"] = name_of(queue, side, answer)
    predictions = [_prediction(queue, *pair) for pair in answers.items()]
    return Payload(task, ext_id, shown, {"data": data, "predictions": predictions})


def name_of(queue: Queue, side: str, answer: Candidate) -> str:
    """Return what an annotator may know of an answer's model."""
    return f"Answer {side.upper()}" if queue.is_blind else answer.model


def _prediction(queue: Queue, side: str, answer: Candidate) -> dict[str, Any]:
    """Return the answer as a start for a correction; a copy of it is none."""
    result = {
        "id": side,
        "from_name": labelling.CORRECTION,
        "to_name": labelling.PROMPT,
        "type": "textarea",
        "value": {"text": [clean_text(answer.text)]},
    }
    return {"model_version": name_of(queue, side, answer), "result": [result]}
