"""One reviewer's judgement of a task."""

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from curation.models.candidate import Candidate
from curation.models.task import Task


class Outcome(models.TextChoices):
    """What a reviewer decided."""

    WIN = "win", "one is better"
    TIE = "tie"
    BOTH_BAD = "both_bad", "both bad"
    SKIP = "skip"
    FLAG = "flag"


class ReviewStatus(models.TextChoices):
    """A draft is also the lease; undoing retracts."""

    DRAFT = "draft"
    SUBMITTED = "submitted"
    RETRACTED = "retracted"


class Review(models.Model):
    """A judgement; nobody else ever writes into it.

    `shown_order` are the candidates' ids from left to right as they were drawn. In a
    queue of single answers, `win` means that the answer is good.
    """

    task = models.ForeignKey(Task, on_delete=models.CASCADE, related_name="reviews")
    reviewer = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+"
    )
    round = models.PositiveSmallIntegerField(default=1)
    shown_order: Any = models.JSONField()
    outcome = models.CharField(
        max_length=8, choices=Outcome.choices, blank=True, default=""
    )
    winner = models.ForeignKey(
        Candidate, on_delete=models.PROTECT, null=True, related_name="+"
    )
    ranking: Any = models.JSONField(null=True)
    tags: Any = models.JSONField(default=list)
    note = models.TextField(blank=True, default="")
    is_gold = models.BooleanField(default=False)
    # Corrections in the making, by candidate id; submitting turns them into revisions.
    edits: Any = models.JSONField(default=dict)
    status = models.CharField(
        max_length=10, choices=ReviewStatus.choices, default=ReviewStatus.DRAFT
    )
    leased_until = models.DateTimeField(null=True)
    active_ms = models.PositiveIntegerField(default=0)
    mutation_id = models.CharField(max_length=64, null=True, unique=True)
    version = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    submitted_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["task", "reviewer", "round"], name="vllm_curation_one_review"
            ),
            models.CheckConstraint(
                condition=Q(outcome="win", winner__isnull=False)
                | (~Q(outcome="win") & Q(winner__isnull=True)),
                name="vllm_curation_winner",
            ),
        ]
        indexes = [
            models.Index(
                fields=["leased_until"],
                condition=Q(status="draft"),
                name="vllm_curation_leases",
            ),
            models.Index(
                fields=["reviewer", "-submitted_at"], name="vllm_curation_recent"
            ),
        ]

    def __str__(self) -> str:
        return f"Review {self.pk}"
