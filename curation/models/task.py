"""Answers to one item, waiting for reviews in a queue."""

from typing import Any

from django.db import models
from django.utils import timezone

from curation.models.item import Item
from curation.models.queue import Queue


class State(models.TextChoices):
    """Where a task stands."""

    OPEN = "open"
    DONE = "done"
    FLAGGED = "flagged"
    VOID = "void"


class Task(models.Model):
    """Candidates of one item, to be judged together.

    `candidate_ids` are in ascending order; sides are drawn for each review.
    `open_slots` = reviews required − submitted − drafts whose lease runs.
    """

    queue = models.ForeignKey(Queue, on_delete=models.CASCADE, related_name="tasks")
    item = models.ForeignKey(Item, on_delete=models.CASCADE, related_name="tasks")
    candidate_ids: Any = models.JSONField()
    candidates_hash = models.CharField(max_length=64)
    priority = models.FloatField(default=0)
    # Drawn once: the order of queues that want none.
    random_key = models.FloatField(default=0)
    reasons: Any = models.JSONField(default=list, blank=True)
    state = models.CharField(max_length=8, choices=State.choices, default=State.OPEN)
    review_count = models.PositiveIntegerField(default=0)
    open_slots = models.IntegerField(default=1)
    version = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["queue", "item", "candidates_hash"],
                name="vllm_curation_one_task",
            ),
            models.CheckConstraint(
                condition=models.Q(open_slots__gte=0), name="vllm_curation_slots"
            ),
        ]
        indexes = [
            models.Index(
                fields=["queue", "-priority", "id"],
                condition=models.Q(state="open", open_slots__gt=0),
                name="vllm_curation_next",
            ),
            models.Index(
                fields=["queue", "random_key"],
                condition=models.Q(state="open", open_slots__gt=0),
                name="vllm_curation_random",
            ),
            models.Index(
                fields=["queue", "id"],
                condition=models.Q(state="open", open_slots__gt=0),
                name="vllm_curation_first_in",
            ),
        ]

    def __str__(self) -> str:
        return f"Task {self.pk}"
