"""Corrected prompts on their way to the models that had answered them."""

from typing import Any

from django.conf import settings
from django.db import models
from django.utils import timezone

from batches.models import BatchJob
from curation.models.queue import Queue


class Rerun(models.Model):
    """A batch that asks a model again, with corrected prompts.

    Its answers meet those they are the `parent` of in `queue`. A line's custom id names
    the answer it is asked for again (curation/rerunning/naming.py). `lines_sha256` is
    the input file's: the same correction is not sent twice.
    """

    queue = models.ForeignKey(Queue, on_delete=models.CASCADE, related_name="reruns")
    batch = models.OneToOneField(
        BatchJob, on_delete=models.SET_NULL, null=True, related_name="rerun"
    )
    model = models.CharField(max_length=255)
    # What was put where: {"system": …} for many items, {"texts": […]} for one.
    correction: Any = models.JSONField()
    lines_sha256 = models.CharField(max_length=64)
    line_count = models.PositiveIntegerField(default=0)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["-pk"]
        indexes = [
            models.Index(
                fields=["queue", "lines_sha256"], name="vllm_curation_same_lines"
            )
        ]

    def __str__(self) -> str:
        return f"{self.model} again in {self.queue}"
