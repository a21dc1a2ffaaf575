"""A queue's copy in Label Studio, and how far the exchange has come."""

from django.db import models
from django.utils import timezone

from curation.models.queue import Queue


class LabelStudioProject(models.Model):
    """The remote project that holds a queue's tasks.

    `cursor` and `next_cursor` are times of the remote clock: a pass reads what changed
    after `cursor`, by remote task id from `passed_id` on, and ends by moving on to
    `next_cursor`. All other times are the database's.
    """

    queue = models.ForeignKey(
        Queue, on_delete=models.CASCADE, related_name="label_studio_projects"
    )
    # The server's address, and with `remote_id` the scope of external links.
    url = models.CharField(max_length=200)
    config_hash = models.CharField(max_length=64)
    remote_id = models.PositiveBigIntegerField(null=True)
    settings_hash = models.CharField(max_length=64, blank=True, default="")
    # An import was sent whose links are not stored: tasks may be there already.
    is_import_open = models.BooleanField(default=False)
    cursor = models.DateTimeField(null=True)
    next_cursor = models.DateTimeField(null=True)
    passed_id = models.PositiveBigIntegerField(default=0)
    pulled_at = models.DateTimeField(null=True)
    pull_requested_at = models.DateTimeField(null=True)
    last_error = models.CharField(max_length=500, blank=True, default="")
    # Who pushes; one at a time, or tasks would be imported twice.
    push_lease = models.CharField(max_length=32, blank=True, default="")
    push_lease_expires_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        verbose_name = "Label Studio project"
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["queue", "url", "config_hash"],
                name="vllm_curation_label_studio",
            )
        ]

    def __str__(self) -> str:
        return f"{self.queue} at {self.url}"

    @property
    def scope(self) -> str:
        """Where its external links point."""
        return f"{self.url}/projects/{self.remote_id}"
