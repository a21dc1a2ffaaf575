"""A task's slots, counted anew from its reviews whenever they change."""

from django.db.models import Count, Q

from curation.models import Review, Task
from curation.models.review import Outcome, ReviewStatus

# Skipping and flagging judge nothing, so they use up no slot.
COUNTED = (Outcome.WIN, Outcome.TIE, Outcome.BOTH_BAD)
IS_COUNTED = Q(status=ReviewStatus.SUBMITTED, outcome__in=COUNTED)
# A draft whose lease was swept away has no slot.
HAS_SLOT = Q(status=ReviewStatus.DRAFT, leased_until__isnull=False)


def lock_task(task_id: int) -> Task:
    """Return the task, which nobody else changes until the transaction ends."""
    locked = Task.objects.select_for_update(of=("self",)).select_related("queue")
    return locked.get(pk=task_id)


def recount(task: Task) -> None:
    """Write the locked task's counts."""
    counts = Review.objects.filter(task=task).aggregate(
        counted=Count("pk", filter=IS_COUNTED), held=Count("pk", filter=HAS_SLOT)
    )
    task.review_count = counts["counted"]
    taken = counts["counted"] + counts["held"]
    task.open_slots = max(0, task.queue.reviews_required - taken)
    task.version += 1
    task.save(update_fields=["review_count", "open_slots", "version"])
