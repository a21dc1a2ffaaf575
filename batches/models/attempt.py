"""What is tried until it works: the base of handler runs and webhook deliveries."""

from datetime import datetime

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now


class AttemptStatus(models.TextChoices):
    """Where such a row stands."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    DEAD = "dead"  # given up; somebody may replay it


OPEN = (AttemptStatus.PENDING, AttemptStatus.RUNNING)


def is_due(now: datetime) -> Q:
    """Return the condition for rows that somebody has to look at now.

    Their time has come, or whoever holds them is past the lease and taken for dead.
    """
    return Q(status=AttemptStatus.PENDING, next_attempt_at__lte=now) | Q(
        status=AttemptStatus.RUNNING, lease_expires_at__lt=now
    )


class Attempt(models.Model):
    """Work with attempts, a lease and a dead letter; times by the database's clock.

    Only `batches/handlers/attempts.py` changes these fields.
    """

    status = models.CharField(
        max_length=16, choices=AttemptStatus.choices, default=AttemptStatus.PENDING
    )
    attempts = models.PositiveIntegerField(default=0)
    next_attempt_at = models.DateTimeField(db_default=Now())
    lease_expires_at = models.DateTimeField(null=True)
    last_error = models.TextField(blank=True, default="")
    created_at = models.DateTimeField(db_default=Now())
    ended_at = models.DateTimeField(null=True)

    class Meta:
        abstract = True
