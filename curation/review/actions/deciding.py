"""Decisions: what stands for an item, from a task's reviews or from a lead."""

from collections.abc import Sequence

from curation.audit.recording import Actor, record
from curation.models import Decision, Item, Review, Task
from curation.models.audit_event import Action
from curation.models.decision import Method
from curation.models.review import Outcome, ReviewStatus
from curation.models.task import State
from curation.review.actions.slots import IS_COUNTED
from curation.review.rulings import Disagreement, Ruling, Vote, rule


def decide(task: Task, by: Actor) -> None:
    """Bring the locked task's state and decision in line with its reviews.

    A lead's word stands whatever reviewers do afterwards. `by` is who has changed the
    reviews.
    """
    if task.state == State.VOID or _adjudicated(task):
        return
    reviews = Review.objects.filter(task=task, status=ReviewStatus.SUBMITTED)
    votes = _votes(task)
    ruling = rule(votes, task.queue.reviews_required)
    is_flagged = reviews.filter(outcome=Outcome.FLAG).exists()
    if isinstance(ruling, Ruling) and not is_flagged:
        _set_state(task, State.DONE)
        put_in_force(task, ruling, by)
        return
    withdraw(task, by)
    is_disputed = is_flagged or isinstance(ruling, Disagreement)
    _set_state(task, State.FLAGGED if is_disputed else State.OPEN)


def _adjudicated(task: Task) -> bool:
    if task.state != State.DONE:
        return False
    return task.decisions.filter(is_current=True, method=Method.ADJUDICATED).exists()


def _votes(task: Task) -> list[Vote]:
    reviews = Review.objects.filter(IS_COUNTED, task=task).order_by("submitted_at")
    return [
        Vote(
            outcome=review.outcome,
            reviewer_id=review.reviewer_id,
            winner_id=review.winner_id,
            is_gold=review.is_gold,
            revisions=tuple(_revisions(review)),
        )
        for review in reviews.prefetch_related("revisions")
    ]


def _revisions(review: Review) -> Sequence[tuple[int, str, int]]:
    return [
        (revision.candidate_id, revision.text_hash, revision.pk)
        for revision in review.revisions.all()
        if revision.candidate_id is not None
    ]


def _set_state(task: Task, state: State) -> None:
    if task.state != state:
        task.state = state
        task.save(update_fields=["state"])


def put_in_force(task: Task, ruling: Ruling, by: Actor) -> Decision:
    """Let a ruling stand for the task's item, unless it does so already."""
    Item.objects.select_for_update().get(pk=task.item_id)
    current = Decision.objects.filter(item_id=task.item_id, is_current=True).first()
    fields = {
        "answer_candidate_id": ruling.candidate_id,
        "answer_revision_id": ruling.revision_id,
        "is_gold": ruling.is_gold,
        "method": ruling.method,
        "decided_by_id": ruling.decided_by,
    }
    if current is not None:
        same = all(getattr(current, name) == value for name, value in fields.items())
        if same and current.task_id == task.pk:
            return current
        Decision.objects.filter(pk=current.pk).update(is_current=False)
    decision = Decision.objects.create(
        item_id=task.item_id, task=task, supersedes=current, **fields
    )
    _note_gold(task, current, decision, by)
    return decision


def withdraw(task: Task, by: Actor) -> None:
    """Take the task's decision out of force; another task's comes back."""
    Item.objects.select_for_update().get(pk=task.item_id)
    current = task.decisions.filter(is_current=True).first()
    if current is None:
        return
    Decision.objects.filter(pk=current.pk).update(is_current=False)
    earlier = current.supersedes
    while earlier is not None and not _still_holds(earlier, task):
        earlier = earlier.supersedes
    if earlier is not None:
        Decision.objects.filter(pk=earlier.pk).update(is_current=True)
    _note_gold(task, current, earlier, by)


def _note_gold(
    task: Task, before: Decision | None, after: Decision | None, by: Actor
) -> None:
    """Write down that the item has become gold, or has ceased to be."""
    was = before is not None and before.is_gold
    is_gold = after is not None and after.is_gold
    if was != is_gold:
        action = Action.GOLD_SET if is_gold else Action.GOLD_TAKEN
        project_id = task.queue.project_id
        record(action, by, task, project_id=project_id, item_id=task.item_id)


def _still_holds(decision: Decision, withdrawn: Task) -> bool:
    """Tell whether a superseded decision's own task still stands by it."""
    if decision.task_id == withdrawn.pk:
        return False
    task = decision.task
    if task is None:
        return True
    is_latest = not task.decisions.filter(pk__gt=decision.pk).exists()
    return task.state == State.DONE and is_latest
