"""A queue of tasks for reviewers."""

from typing import Any

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils import timezone

from accounts.models import Project


class Mode(models.TextChoices):
    """What a reviewer sees and decides."""

    SINGLE = "single", "one answer"
    PAIR = "pair", "two answers"
    RANK = "rank", "several answers"


class Order(models.TextChoices):
    """Which task comes next."""

    PRIORITY = "priority", "the most telling first"
    RANDOM = "random"
    FIRST_IN = "first_in", "first in, first out"


class Queue(models.Model):
    """Tasks of one kind, and how they are to be reviewed."""

    project = models.ForeignKey(
        Project, on_delete=models.CASCADE, related_name="queues"
    )
    name = models.CharField(max_length=100)
    mode = models.CharField(max_length=8, choices=Mode.choices, default=Mode.PAIR)
    instructions = models.TextField(blank=True, help_text="Shown to the reviewers.")
    tags: Any = models.JSONField(
        default=list, blank=True, help_text="Tags reviewers may choose, as a JSON list."
    )
    is_blind = models.BooleanField(
        default=True, help_text="Models' names stay hidden until the vote."
    )
    is_open = models.BooleanField(default=True)
    reviews_required = models.PositiveSmallIntegerField(
        default=1, validators=[MinValueValidator(1), MaxValueValidator(20)]
    )
    lease_seconds = models.PositiveIntegerField(
        default=900,
        validators=[MinValueValidator(10)],
        help_text="How long a task stays with a reviewer who does nothing.",
    )
    order = models.CharField(
        max_length=16, choices=Order.choices, default=Order.PRIORITY
    )
    assignees = models.ManyToManyField(
        settings.AUTH_USER_MODEL,
        blank=True,
        related_name="+",
        help_text="Who may review. Nobody: every member of the project.",
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(
                fields=["project", "name"], name="vllm_curation_one_queue"
            )
        ]

    def __str__(self) -> str:
        return self.name
