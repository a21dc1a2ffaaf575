"""Leases: a reviewer's draft is their right to one slot of a task.

PostgreSQL: `FOR UPDATE SKIP LOCKED`, so reviewers never wait for each other. SQLite has
one writer at a time. On both the slot is taken by a conditional UPDATE.
"""

import random
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, connection, transaction
from django.db.models import Exists, F, Max, OuterRef, QuerySet

from curation.models import Queue, Review, Task
from curation.models.queue import Order
from curation.models.review import ReviewStatus
from curation.models.task import State
from curation.review.access import User, key_of
from curation.review.actions.slots import lock_task, recount
from vllm_batch.lib.clock import database_now

# Tasks a reviewer may hold at once: the one on the screen and those fetched ahead.
MOST_HELD = 6
SWEPT_AT_ONCE = 100
_TRIES = 5
# Sides are drawn from the system's randomness: nobody can foresee them.
_sides = random.SystemRandom()
_ORDERS = {
    Order.PRIORITY: ("-priority", "pk"),
    Order.RANDOM: ("random_key", "pk"),
    Order.FIRST_IN: ("pk",),
}


def take_next(queue: Queue, user: User, besides: Collection[int] = ()) -> Review | None:
    """Return the reviewer's next draft, with a lease; None if nothing is left.

    `besides` are reviews that the page has already. What the reviewer began comes
    before what is new.
    """
    now = database_now()
    sweep(queue, now)
    drafts = list(_drafts(queue, user).exclude(pk__in=besides)[:MOST_HELD])
    for draft in drafts:
        if draft.leased_until or resume(draft.pk):
            keep(queue, user, [draft.pk])
            draft.refresh_from_db(fields=["leased_until", "version"])
            return draft
    if not queue.is_open or holds_most(queue, user):
        return None
    return _lease_new(queue, user, now)


def holds_most(queue: Queue, user: User) -> bool:
    """Tell whether the reviewer has as many tasks as one may hold."""
    held = _drafts(queue, user).filter(leased_until__isnull=False)
    return held.count() >= MOST_HELD


def _drafts(queue: Queue, user: User) -> QuerySet[Review]:
    # `submitted_at` is there for the index (reviewer, submitted_at).
    drafts = Review.objects.filter(
        reviewer_id=key_of(user), submitted_at=None, status=ReviewStatus.DRAFT
    )
    return drafts.filter(task__queue=queue).select_related("task__item").order_by("pk")


def _lease_new(queue: Queue, user: User, now: datetime) -> Review | None:
    for _ in range(_TRIES):
        try:
            with transaction.atomic():
                task = _free_tasks(queue, user).first()
                if task is None:
                    return None
                if _take_slot(task):
                    return _begin(task, user, lease_end(queue, now))
        except IntegrityError:
            # The same person, in another tab, was first.
            continue
    return None


def _free_tasks(queue: Queue, user: User) -> QuerySet[Task]:
    seen = Review.objects.filter(task=OuterRef("pk"), reviewer_id=key_of(user))
    # After a lead has sent a task back, those who reviewed it may do so again.
    seen = seen.exclude(status=ReviewStatus.RETRACTED)
    tasks = Task.objects.filter(queue=queue, state=State.OPEN, open_slots__gt=0)
    tasks = tasks.filter(~Exists(seen)).order_by(*_ORDERS[Order(queue.order)])
    can_skip = connection.features.has_select_for_update_skip_locked
    return tasks.select_for_update(skip_locked=can_skip)


def _take_slot(task: Task) -> bool:
    free = Task.objects.filter(pk=task.pk, state=State.OPEN, open_slots__gt=0)
    slots = {"open_slots": F("open_slots") - 1, "version": F("version") + 1}
    return free.update(**slots) == 1


def _begin(task: Task, user: User, leased_until: datetime) -> Review:
    order = list(task.candidate_ids)
    _sides.shuffle(order)
    return Review.objects.create(
        task=task,
        reviewer_id=key_of(user),
        round=last_round(task, key_of(user)) + 1,
        shown_order=order,
        leased_until=leased_until,
    )


def last_round(task: Task, reviewer_id: Any) -> int:
    """Return the number of the reviewer's last review of a task; 0 if there is none."""
    mine = Review.objects.filter(task=task, reviewer_id=reviewer_id)
    return mine.aggregate(last=Max("round"))["last"] or 0


def lease_end(queue: Queue, now: datetime) -> datetime:
    """Return when a lease that begins or is renewed now will be over."""
    return now + timedelta(seconds=queue.lease_seconds)


def resume(review_id: int) -> bool:
    """Give a draft without a lease a slot again; False if there is none."""
    with transaction.atomic():
        review = Review.objects.filter(pk=review_id).only("task_id").get()
        task = lock_task(review.task_id)
        if task.state != State.OPEN or task.open_slots < 1:
            return False
        until = lease_end(task.queue, database_now())
        drafts = Review.objects.filter(
            pk=review_id, status=ReviewStatus.DRAFT, leased_until=None
        )
        resumed = drafts.update(leased_until=until) == 1
        recount(task)
    return resumed


def keep(queue: Queue, user: User, review_ids: Collection[int]) -> list[int]:
    """Renew leases; return the reviews that are still held. The page's heartbeat."""
    drafts = Review.objects.filter(
        pk__in=review_ids,
        task__queue=queue,
        reviewer_id=key_of(user),
        status=ReviewStatus.DRAFT,
    )
    for lost in drafts.filter(leased_until=None).values_list("pk", flat=True):
        resume(lost)
    until = lease_end(queue, database_now())
    held = list(drafts.filter(leased_until__isnull=False).values_list("pk", flat=True))
    Review.objects.filter(
        pk__in=held, status=ReviewStatus.DRAFT, leased_until__isnull=False
    ).update(leased_until=until)
    return held


def release(queue: Queue, user: User, review_ids: Collection[int]) -> None:
    """Give slots back before their leases end; the drafts keep their content."""
    drafts = Review.objects.filter(
        pk__in=review_ids,
        task__queue=queue,
        reviewer_id=key_of(user),
        status=ReviewStatus.DRAFT,
    )
    for review_id, task_id in list(drafts.values_list("pk", "task_id")):
        _end_lease(review_id, task_id, None)


def sweep(queue: Queue | None = None, now: datetime | None = None) -> int:
    """Return the slots of drafts whose lease is over; say how many there were."""
    now = now or database_now()
    over = Review.objects.filter(status=ReviewStatus.DRAFT, leased_until__lt=now)
    if queue is not None:
        over = over.filter(task__queue=queue)
    expired = list(over.values_list("pk", "task_id")[:SWEPT_AT_ONCE])
    return sum(_end_lease(review_id, task_id, now) for review_id, task_id in expired)


def sweep_leases() -> None:
    """Do so in all queues: a chore of the ops queue."""
    while sweep() == SWEPT_AT_ONCE:
        pass


def _end_lease(review_id: int, task_id: int, over_at: datetime | None) -> bool:
    with transaction.atomic():
        task = lock_task(task_id)
        held = Review.objects.filter(
            pk=review_id, status=ReviewStatus.DRAFT, leased_until__isnull=False
        )
        if over_at is not None:
            # It may have been renewed a moment ago.
            held = held.filter(leased_until__lt=over_at)
        ended = held.update(leased_until=None) == 1
        if ended:
            recount(task)
    return ended
