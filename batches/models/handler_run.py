"""One result handler's work on one ended batch."""

from datetime import datetime

from django.db import models
from django.db.models import Q

from batches.models.attempt import OPEN, Attempt, is_due
from batches.models.batch import BatchJob


class HandlerRunQuerySet(models.QuerySet["HandlerRun"]):
    """Questions about handler runs."""

    def due(self, now: datetime) -> "HandlerRunQuerySet":
        """Keep the runs whose time has come."""
        return self.filter(is_due(now))


class HandlerRun(Attempt):
    """Made in the transaction that ends the batch, one for each enabled handler."""

    batch = models.ForeignKey(
        BatchJob, on_delete=models.CASCADE, related_name="handler_runs"
    )
    # A key of the registry, so not `choices`.
    handler = models.CharField(max_length=100)

    objects = HandlerRunQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["batch", "handler"], name="vllm_batches_handled_once"
            )
        ]
        indexes = [
            models.Index(
                fields=["handler", "next_attempt_at"],
                condition=Q(status__in=OPEN),
                name="vllm_batches_runs_open",
            )
        ]

    def __str__(self) -> str:
        return f"{self.handler} of {self.batch_id}"
