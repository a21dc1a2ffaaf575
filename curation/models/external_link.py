"""What of ours lies in another system."""

from typing import Any

from django.db import models
from django.utils import timezone


class ExternalLink(models.Model):
    """Ties one of our rows to a remote one, so that nothing is sent or taken twice.

    `remote_scope` is the remote project's address, `remote_hash` what was last sent or
    seen of it.
    """

    system = models.CharField(max_length=32)
    object_type = models.CharField(max_length=32)
    local_id = models.CharField(max_length=64)
    remote_scope = models.CharField(max_length=255)
    remote_id = models.CharField(max_length=64)
    remote_hash = models.CharField(max_length=64, blank=True, default="")
    data: Any = models.JSONField(default=dict)
    conflict = models.CharField(
        max_length=255,
        blank=True,
        default="",
        help_text="What a person has to look at: two sides say different things.",
    )
    synced_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["system", "object_type", "remote_scope", "remote_id"],
                name="vllm_curation_remote",
            ),
            models.UniqueConstraint(
                fields=["system", "object_type", "remote_scope", "local_id"],
                name="vllm_curation_local",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.system} {self.object_type} {self.remote_id}"
