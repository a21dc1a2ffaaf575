"""Who may review, and who may decide. Staff only: the admin's door comes first."""

from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import Http404

from accounts.models import Membership, Role
from curation.models import Queue, Review, Task

User = AbstractBaseUser | AnonymousUser
LEADING = (Role.LEAD, Role.ADMIN)


def is_superuser(user: User) -> bool:
    """Tell whether the person needs no membership."""
    return bool(getattr(user, "is_superuser", False))


def visible_queues(user: User) -> QuerySet[Queue]:
    """Return the queues of the projects the person is a member of."""
    if is_superuser(user):
        return Queue.objects.select_related("project")
    projects = Membership.objects.filter(user_id=key_of(user)).values("project_id")
    return Queue.objects.filter(project_id__in=projects).select_related("project")


def reviewable_queues(user: User) -> QuerySet[Queue]:
    """Return those in which the person may review: assignees shut others out."""
    queues = visible_queues(user)
    if is_superuser(user):
        return queues
    mine = Queue.assignees.through.objects.filter(user_id=key_of(user)).values(
        "queue_id"
    )
    return queues.filter(Q(assignees=None) | Q(pk__in=mine))


def leads(user: User, queue: Queue) -> bool:
    """Tell whether the person decides where reviewers disagree."""
    if is_superuser(user):
        return True
    mine = Membership.objects.filter(user_id=key_of(user), project_id=queue.project_id)
    return mine.filter(role__in=LEADING).exists()


def get_queue(user: User, queue_id: int) -> Queue:
    """Return a queue to review in.

    Raises Http404 if it is none of the person's projects', PermissionDenied if others
    are assigned to it.
    """
    queue = visible_queues(user).filter(pk=queue_id).first()
    if queue is None:
        raise Http404("No such queue.")
    if not reviewable_queues(user).filter(pk=queue_id).exists():
        raise PermissionDenied("This queue is assigned to other reviewers.")
    return queue


def get_led_queue(user: User, queue_id: int) -> Queue:
    """Return a queue to decide in; Http404 and PermissionDenied as above."""
    queue = visible_queues(user).filter(pk=queue_id).first()
    if queue is None:
        raise Http404("No such queue.")
    if not leads(user, queue):
        raise PermissionDenied("Only leads of the project decide.")
    return queue


def get_led_task(user: User, task_id: int) -> Task:
    """Return a task to decide; Http404 and PermissionDenied as above."""
    task = Task.objects.select_related("item").filter(pk=task_id).first()
    if task is None:
        raise Http404("No such task.")
    task.queue = get_led_queue(user, task.queue_id)
    return task


def get_review(user: User, review_id: int) -> Review:
    """Return one of the person's own reviews, while they may still review there.

    Raises Http404 for everybody else's: a review has one writer.
    """
    found = Review.objects.select_related("task__item").filter(pk=review_id)
    review = found.filter(reviewer_id=user.pk).first()
    if review is None:
        raise Http404("No such review.")
    review.task.queue = get_queue(user, review.task.queue_id)
    return review


def key_of(user: User) -> Any:
    """Return the primary key of somebody who is signed in; projects choose its type."""
    return user.pk
