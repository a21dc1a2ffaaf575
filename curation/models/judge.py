"""What a judge model says of tasks, kept from reviewers until they have voted."""

from django.db import models
from django.db.models import Q
from django.utils import timezone

from batches.models import BatchJob
from curation.models.candidate import Candidate
from curation.models.queue import Queue
from curation.models.task import Task


class JudgeRun(models.Model):
    """One ordinary batch that asks a model about tasks, each pair in both orders.

    `prompt_hash` tells the wording of the question and the instructions.
    """

    queue = models.ForeignKey(
        Queue, on_delete=models.CASCADE, related_name="judge_runs"
    )
    batch = models.OneToOneField(
        BatchJob, on_delete=models.SET_NULL, null=True, related_name="judge_run"
    )
    model = models.CharField(max_length=255)
    instructions = models.TextField(blank=True, default="")
    prompt_hash = models.CharField(max_length=64)
    task_count = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"{self.model} on {self.queue}"


class VerdictOutcome(models.TextChoices):
    """What the judge said."""

    WIN = "win", "one is better"
    TIE = "tie"
    UNCLEAR = "unclear", "nothing that could be read"


class JudgeVerdict(models.Model):
    """The judge's word on a task in one order of its two answers.

    `is_reversed`: the answer with the greater id was shown first.
    """

    run = models.ForeignKey(JudgeRun, on_delete=models.CASCADE, related_name="verdicts")
    task = models.ForeignKey(
        Task, on_delete=models.CASCADE, related_name="judge_verdicts"
    )
    is_reversed = models.BooleanField()
    outcome = models.CharField(max_length=8, choices=VerdictOutcome.choices)
    winner = models.ForeignKey(
        Candidate, on_delete=models.CASCADE, null=True, related_name="+"
    )
    reason = models.TextField(blank=True, default="")
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["run", "task", "is_reversed"], name="vllm_curation_verdict"
            ),
            models.CheckConstraint(
                condition=Q(outcome="win", winner__isnull=False)
                | (~Q(outcome="win") & Q(winner__isnull=True)),
                name="vllm_curation_verdict_winner",
            ),
        ]

    def __str__(self) -> str:
        return f"Verdict {self.pk}"
