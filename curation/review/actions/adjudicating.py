"""A lead's word on a flagged task."""

import hashlib

from django.db import transaction

from curation.models import Candidate, Review, Revision, Task
from curation.models.decision import Method
from curation.models.review import Outcome, ReviewStatus
from curation.models.task import State
from curation.review.access import User
from curation.review.actions.deciding import put_in_force, withdraw
from curation.review.actions.slots import lock_task, recount
from curation.review.diffing import edit_ratio
from curation.review.rulings import Ruling
from vllm_batch.lib.errors import Conflict


def adjudicate(
    task_id: int,
    lead: User,
    *,
    version: int,
    candidate_id: int | None,
    text: str | None = None,
    is_gold: bool = False,
) -> Task:
    """Decide for a candidate, as it is or with a corrected text, or for none.

    Raises Conflict if the task was changed since the page was made.
    """
    with transaction.atomic():
        task = _locked(task_id, version)
        revision = _revision(task, lead, candidate_id, text)
        ruling = Ruling(
            method=Method.ADJUDICATED,
            candidate_id=None if revision else candidate_id,
            revision_id=revision.pk if revision else None,
            is_gold=is_gold,
            decided_by=lead.pk,
        )
        put_in_force(task, ruling)
        _set_state(task, State.DONE)
    return task


def send_back(task_id: int, *, version: int) -> Task:
    """Take flags and votes back, so that the queue's reviewers begin anew.

    The reviews stay, as retracted ones. Raises Conflict as above.
    """
    with transaction.atomic():
        task = _locked(task_id, version)
        Review.objects.filter(task=task, status=ReviewStatus.SUBMITTED).exclude(
            outcome=Outcome.SKIP
        ).update(status=ReviewStatus.RETRACTED)
        withdraw(task)
        _set_state(task, State.OPEN)
        recount(task)
    return task


def void(task_id: int, *, version: int) -> Task:
    """Take the task out: nothing is to be learnt from it. Raises Conflict as above."""
    with transaction.atomic():
        task = _locked(task_id, version)
        withdraw(task)
        _set_state(task, State.VOID)
    return task


def _locked(task_id: int, version: int) -> Task:
    task = lock_task(task_id)
    if task.version != version:
        raise Conflict("The task was changed meanwhile. Look again.", param="version")
    return task


def _set_state(task: Task, state: State) -> None:
    task.state = state
    task.version += 1
    task.save(update_fields=["state", "version"])


def _revision(
    task: Task, lead: User, candidate_id: int | None, text: str | None
) -> Revision | None:
    if candidate_id is None or text is None:
        return None
    candidate = Candidate.objects.get(pk=candidate_id)
    # A text area gives every line break back as LF.
    if text == candidate.text.replace("\r\n", "\n").replace("\r", "\n"):
        return None
    revision, _ = Revision.objects.get_or_create(
        candidate=candidate,
        author_id=lead.pk,
        text_hash=hashlib.sha256(text.encode()).hexdigest(),
        defaults={
            "item_id": task.item_id,
            "text": text,
            "edit_ratio": edit_ratio(candidate.text, text),
        },
    )
    return revision
