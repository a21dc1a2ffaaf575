"""Where a queue's answers come from."""

from django.db import models
from django.utils import timezone

from curation.models.queue import Queue


class Source(models.Model):
    """A batch or an import whose answers may meet in a queue.

    `batch_id` is what candidates have there; no foreign key, as theirs is none.
    """

    queue = models.ForeignKey(Queue, on_delete=models.CASCADE, related_name="sources")
    batch_id = models.CharField(max_length=64)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["queue", "batch_id"], name="vllm_curation_one_source"
            )
        ]

    def __str__(self) -> str:
        return self.batch_id
