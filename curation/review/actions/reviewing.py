"""Save, submit and undo reviews.

Each save builds on a version and has an id of its own. A stale version is refused with
what is stored; a repeated id is answered with what it has led to, so retries and double
key presses are harmless.
"""

import hashlib
from typing import Any

from django.db import transaction

from curation.audit.recording import Actor
from curation.models import Candidate, Queue, Review, Revision, Task
from curation.models.queue import Mode
from curation.models.review import Outcome, ReviewStatus
from curation.models.task import State
from curation.review.actions.deciding import decide
from curation.review.actions.leases import last_round, lease_end
from curation.review.actions.slots import COUNTED, lock_task, recount
from curation.review.diffing import edit_ratio
from curation.review.exceptions import NothingToUndo, ReviewChanged, SlotTaken
from curation.review.saving import Content, Save, tags_of
from vllm_batch.lib.clock import database_now
from vllm_batch.lib.errors import Conflict, InvalidRequest

UNDOABLE = 10


def save_draft(review_id: int, save: Save) -> Review:
    """Keep a draft's content and renew its lease; raises ReviewChanged.

    A draft without a lease is kept too: nothing that was written is lost.
    """
    with transaction.atomic():
        review, task = _locked(review_id)
        if _is_repeated(review, save.mutation_id):
            return review
        _check_version(review, save)
        _fill(review, save.content, task.queue)
        if review.leased_until is not None:
            review.leased_until = lease_end(task.queue, database_now())
        review.mutation_id = save.mutation_id
        review.version += 1
        review.save()
    return review


def submit(review_id: int, save: Save) -> Review:
    """Make the reviewer's verdict count; raises ReviewChanged and SlotTaken."""
    with transaction.atomic():
        review, task = _locked(review_id)
        if _is_repeated(review, save.mutation_id):
            return review
        _check_version(review, save)
        _check_slot(review, task, save.outcome)
        _fill(review, save.content, task.queue)
        _judge(review, save, task.queue)
        review.status = ReviewStatus.SUBMITTED
        review.submitted_at = database_now()
        review.leased_until = None
        review.mutation_id = save.mutation_id
        review.version += 1
        review.save()
        if save.outcome in COUNTED:
            _revise(review, task)
        recount(task)
        decide(task, Actor(review.reviewer_id))
    return review


def undo(review_id: int, mutation_id: str) -> Review:
    """Retract a submitted review and return the draft that takes its place.

    Raises NothingToUndo unless it is one of the reviewer's last ten in the queue.
    """
    with transaction.atomic():
        review, task = _locked(review_id)
        repeated = Review.objects.filter(mutation_id=mutation_id).first()
        if repeated is not None:
            if (repeated.task_id, repeated.reviewer_id) != (
                review.task_id, review.reviewer_id,
            ):  # fmt: skip
                raise _taken()
            return repeated
        recent = recent_reviews(task.queue, review.reviewer_id)
        if review.pk not in {one.pk for one in recent}:
            raise NothingToUndo
        review.status = ReviewStatus.RETRACTED
        review.version += 1
        review.save(update_fields=["status", "version"])
        draft = _again(review, task, mutation_id)
        recount(task)
        decide(task, Actor(review.reviewer_id))
    return draft


def recent_reviews(queue: Queue, reviewer_id: Any) -> list[Review]:
    """Return the reviewer's last ten decisions in a queue, the newest first."""
    recent = Review.objects.filter(
        reviewer_id=reviewer_id, submitted_at__isnull=False, task__queue=queue
    )
    recent = recent.filter(status=ReviewStatus.SUBMITTED).select_related("task__item")
    return list(recent.order_by("-submitted_at", "-pk")[:UNDOABLE])


def _locked(review_id: int) -> tuple[Review, Task]:
    task = lock_task(Review.objects.only("task_id").get(pk=review_id).task_id)
    review = Review.objects.select_for_update().get(pk=review_id)
    review.task = task
    return review, task


def _is_repeated(review: Review, mutation_id: str) -> bool:
    if review.mutation_id == mutation_id:
        return True
    if Review.objects.filter(mutation_id=mutation_id).exists():
        raise _taken()
    return False


def _taken() -> Conflict:
    return Conflict("This mutation_id belongs to another save.", param="mutation_id")


def _check_version(review: Review, save: Save) -> None:
    if review.status != ReviewStatus.DRAFT or review.version != save.version:
        raise ReviewChanged(review)


def _check_slot(review: Review, task: Task, outcome: str) -> None:
    if review.leased_until is not None or outcome not in COUNTED:
        return
    if task.state != State.OPEN or task.open_slots < 1:
        raise SlotTaken(review)


def _fill(review: Review, content: Content, queue: Queue) -> None:
    order = review.shown_order
    review.edits = {str(order[side]): text for side, text in content.edits.items()}
    review.note = content.note
    # A tag that a lead took away must not keep the rest from being saved.
    known = [*tags_of(queue), *review.tags]
    review.tags = [tag for tag in content.tags if tag in known]
    review.is_gold = content.is_gold
    review.ranking = _ranked(content, order)
    review.active_ms = max(review.active_ms, content.active_ms)


def _ranked(content: Content, order: list[int]) -> list[int] | None:
    if content.ranking is None:
        return None
    return [order[side] for side in content.ranking]


def _judge(review: Review, save: Save, queue: Queue) -> None:
    review.outcome = save.outcome
    if save.outcome != Outcome.WIN:
        review.winner_id = None
        return
    side = save.side
    if queue.mode == Mode.RANK:
        if review.ranking is None or len(review.ranking) != len(review.shown_order):
            raise InvalidRequest("ranking must have every answer.", param="ranking")
        review.winner_id = review.ranking[0]
    else:
        assert side is not None  # noqa: S101 - read_save checked it
        review.winner_id = review.shown_order[side]


def _revise(review: Review, task: Task) -> None:
    """Make revisions of the corrections that change anything."""
    originals = Candidate.objects.in_bulk(review.shown_order)
    for candidate_id, text in review.edits.items():
        candidate = originals.get(int(candidate_id))
        if candidate is None or text == candidate.text:
            continue
        # The same correction, undone and made again, belongs to the new review.
        Revision.objects.update_or_create(
            candidate=candidate,
            author_id=review.reviewer_id,
            text_hash=hashlib.sha256(text.encode()).hexdigest(),
            defaults={"review": review},
            create_defaults=_revision(review, task, candidate, text),
        )


def _revision(
    review: Review, task: Task, candidate: Candidate, text: str
) -> dict[str, Any]:
    return {
        "item_id": task.item_id,
        "review": review,
        "text": text,
        "edit_ratio": edit_ratio(candidate.text, text),
        "tags": review.tags,
    }


def _again(review: Review, task: Task, mutation_id: str) -> Review:
    """Return a new draft with what the retracted review had, sides and all."""
    return Review.objects.create(
        task=task,
        reviewer_id=review.reviewer_id,
        round=last_round(task, review.reviewer_id) + 1,
        shown_order=review.shown_order,
        ranking=review.ranking,
        tags=review.tags,
        note=review.note,
        is_gold=review.is_gold,
        edits=review.edits,
        active_ms=review.active_ms,
        leased_until=lease_end(task.queue, database_now()),
        mutation_id=mutation_id,
    )
