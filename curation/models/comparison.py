"""Several models on the same file."""

from django.db import models
from django.utils import timezone

from accounts.models import Project
from batches.models import BatchJob
from curation.models.queue import Queue


class Comparison(models.Model):
    """Batches over the same prompts, whose answers meet in one queue."""

    project = models.ForeignKey(
        Project, on_delete=models.CASCADE, related_name="comparisons"
    )
    name = models.CharField(max_length=100)
    batches = models.ManyToManyField(BatchJob, related_name="comparisons")
    queue = models.ForeignKey(
        Queue, on_delete=models.SET_NULL, null=True, related_name="comparisons"
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["project", "name"], name="vllm_curation_one_comparison"
            )
        ]

    def __str__(self) -> str:
        return self.name
