"""A lead's word on a flagged task."""

import hashlib
from dataclasses import dataclass

from django.db import transaction

from curation.audit.recording import person, record
from curation.models import Candidate, Review, Revision, Task
from curation.models.audit_event import Action
from curation.models.decision import Method
from curation.models.review import Outcome, ReviewStatus
from curation.models.task import State
from curation.review.access import User
from curation.review.actions.deciding import put_in_force, withdraw
from curation.review.actions.slots import lock_task, recount
from curation.review.diffing import edit_ratio
from curation.review.exceptions import NoSuchCorrection
from curation.review.rulings import Ruling
from vllm_batch.lib.errors import Conflict


@dataclass(frozen=True, kw_only=True)
class Word:
    """What a lead says: an answer as it is or with another text, or none of them.

    `revision_id` is a reviewer's correction that stands as it is.
    """

    candidate_id: int | None = None
    text: str | None = None
    revision_id: int | None = None
    is_gold: bool = False


def adjudicate(task_id: int, lead: User, word: Word, *, version: int) -> Task:
    """Decide for an answer, for a correction of one, or for none.

    Corrections that are not chosen stay. Raises NoSuchCorrection, and Conflict if the
    task was changed since the page was made.
    """
    with transaction.atomic():
        task = _locked(task_id, version)
        chosen = _chosen(task, word.revision_id)
        revision = chosen or _revision(task, lead, word.candidate_id, word.text)
        ruling = Ruling(
            method=Method.ADJUDICATED,
            candidate_id=None if revision else word.candidate_id,
            revision_id=revision.pk if revision else None,
            is_gold=word.is_gold,
            decided_by=lead.pk,
        )
        action = Action.CORRECTION_CHOSEN if chosen else Action.DECIDED
        _note(action, task, lead, _said(word, revision, chosen))
        put_in_force(task, ruling, person(lead))
        _set_state(task, State.DONE)
    return task


def send_back(task_id: int, lead: User, *, version: int) -> Task:
    """Take flags and votes back, so that the queue's reviewers begin anew.

    The reviews stay, as retracted ones. Raises Conflict as above.
    """
    with transaction.atomic():
        task = _locked(task_id, version)
        Review.objects.filter(task=task, status=ReviewStatus.SUBMITTED).exclude(
            outcome=Outcome.SKIP
        ).update(status=ReviewStatus.RETRACTED)
        _note(Action.SENT_BACK, task, lead)
        withdraw(task, person(lead))
        _set_state(task, State.OPEN)
        recount(task)
    return task


def void(task_id: int, lead: User, *, version: int) -> Task:
    """Take the task out: nothing is to be learnt from it. Raises Conflict as above."""
    with transaction.atomic():
        task = _locked(task_id, version)
        _note(Action.TAKEN_OUT, task, lead)
        withdraw(task, person(lead))
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


def _note(action: Action, task: Task, lead: User, detail: str = "") -> None:
    record(
        action,
        person(lead),
        task,
        project_id=task.queue.project_id,
        item_id=task.item_id,
        detail=detail,
    )


def _said(word: Word, revision: Revision | None, chosen: Revision | None) -> str:
    if chosen is not None:
        author = chosen.author.get_username() if chosen.author else "an import"
        return f"revision {chosen.pk} of answer {chosen.candidate_id}, by {author}"
    if revision is not None:
        return f"answer {revision.candidate_id}, corrected: revision {revision.pk}"
    is_none = word.candidate_id is None
    return "none of the answers" if is_none else f"answer {word.candidate_id}"


def offered(task: Task) -> list[Revision]:
    """Return the corrections of a task's answers that its submitted reviews made."""
    found = Revision.objects.filter(
        review__task=task,
        review__status=ReviewStatus.SUBMITTED,
        candidate__in=task.candidate_ids,
    )
    return list(found.select_related("author", "candidate").order_by("pk"))


def _chosen(task: Task, revision_id: int | None) -> Revision | None:
    if revision_id is None:
        return None
    for revision in offered(task):
        if revision.pk == revision_id:
            return revision
    raise NoSuchCorrection


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
