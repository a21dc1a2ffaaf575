"""What counts for an item."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from curation.models.candidate import Candidate
from curation.models.item import Item
from curation.models.revision import Revision
from curation.models.task import Task


class Method(models.TextChoices):
    """How a decision came about."""

    SINGLE = "single", "one reviewer"
    MAJORITY = "majority"
    ADJUDICATED = "adjudicated", "a lead's word"
    JUDGE = "judge"
    IMPORT = "import"


class Decision(models.Model):
    """The answer that stands for an item; none of them, if it has no answer.

    Deciding again adds a row that supersedes the one before.
    """

    item = models.ForeignKey(Item, on_delete=models.CASCADE, related_name="decisions")
    task = models.ForeignKey(
        Task, on_delete=models.SET_NULL, null=True, related_name="decisions"
    )
    answer_candidate = models.ForeignKey(
        Candidate, on_delete=models.PROTECT, null=True, related_name="+"
    )
    answer_revision = models.ForeignKey(
        Revision, on_delete=models.PROTECT, null=True, related_name="+"
    )
    is_gold = models.BooleanField(default=False)
    method = models.CharField(max_length=16, choices=Method.choices)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+"
    )
    supersedes = models.ForeignKey(
        "self", on_delete=models.SET_NULL, null=True, related_name="+"
    )
    is_current = models.BooleanField(default=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["item"],
                condition=Q(is_current=True),
                name="vllm_curation_current",
            ),
            models.CheckConstraint(
                condition=Q(answer_candidate__isnull=True)
                | Q(answer_revision__isnull=True),
                name="vllm_curation_one_answer",
            ),
        ]

    def __str__(self) -> str:
        return f"Decision {self.pk}"
