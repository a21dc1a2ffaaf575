"""A model on the gold set, and how each of its answers compares."""

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils import timezone

from accounts.models import Project
from batches.models import BatchJob
from curation.models.candidate import Candidate
from curation.models.decision import Decision
from curation.models.item import Item
from curation.models.queue import Queue


class EvalRun(models.Model):
    """A batch that asks a model for what has a gold answer.

    `queue` has the regressions once the batch has ended, if there are any: answers less
    alike than `threshold`, and those that break the form they were asked for in.
    """

    project = models.ForeignKey(
        Project, on_delete=models.CASCADE, related_name="eval_runs"
    )
    batch = models.OneToOneField(
        BatchJob, on_delete=models.SET_NULL, null=True, related_name="eval_run"
    )
    model = models.CharField(max_length=255)
    threshold = models.FloatField(
        default=0.8, validators=[MinValueValidator(0), MaxValueValidator(1)]
    )
    lines_sha256 = models.CharField(max_length=64)
    item_count = models.PositiveIntegerField(default=0)
    queue = models.ForeignKey(
        Queue, on_delete=models.SET_NULL, null=True, related_name="eval_runs"
    )
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["-pk"]
        verbose_name = "gold run"

    def __str__(self) -> str:
        return f"{self.model} on gold"


class EvalResult(models.Model):
    """One item of a gold run; without a candidate the line failed, as `error` says.

    `similarity`: 1 for texts that say the same, 0 for two that share no word.
    `is_valid` is None where no form was asked for.
    """

    run = models.ForeignKey(EvalRun, on_delete=models.CASCADE, related_name="results")
    item = models.ForeignKey(Item, on_delete=models.CASCADE, related_name="+")
    decision = models.ForeignKey(
        Decision, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    candidate = models.ForeignKey(
        Candidate, on_delete=models.CASCADE, null=True, related_name="+"
    )
    is_exact = models.BooleanField(default=False)
    is_valid = models.BooleanField(null=True)
    similarity = models.FloatField(default=0)
    is_regression = models.BooleanField(default=False)
    error = models.CharField(max_length=200, blank=True, default="")
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["pk"]
        verbose_name = "gold result"
        constraints = [
            models.UniqueConstraint(
                fields=["run", "item"], name="vllm_curation_one_result"
            )
        ]

    def __str__(self) -> str:
        return f"Item {self.item_id} of {self.run_id}"
