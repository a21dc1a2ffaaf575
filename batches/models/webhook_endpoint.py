"""Where a project wants to be told of its batches' ends."""

from datetime import datetime

from django.db import models
from django.db.models import Q

from accounts.models import Project
from vllm_batch.lib.ids import new_id


def new_endpoint_id() -> str:
    """Return a new endpoint's id."""
    return new_id("whe_")


class WebhookEndpointQuerySet(models.QuerySet["WebhookEndpoint"]):
    """Questions about endpoints."""

    def of(self, project: Project) -> "WebhookEndpointQuerySet":
        """Keep one project's endpoints."""
        return self.filter(project=project)

    def visible(self) -> "WebhookEndpointQuerySet":
        """Keep the endpoints that were not deleted."""
        return self.filter(deleted_at=None)

    def open(self, now: datetime) -> "WebhookEndpointQuerySet":
        """Keep those that may be sent to: enabled, and their breaker is closed."""
        return self.visible().filter(
            Q(paused_until=None) | Q(paused_until__lte=now), is_enabled=True
        )


class WebhookEndpoint(models.Model):
    """A URL with the events it wants and the secrets that sign what is sent there.

    A deleted endpoint keeps its row, without secrets, so that lists can be paged past
    it (contract 4).
    """

    id = models.CharField(
        primary_key=True, max_length=64, default=new_endpoint_id, editable=False
    )
    project = models.ForeignKey(
        Project, on_delete=models.CASCADE, related_name="webhook_endpoints"
    )
    name = models.CharField(max_length=100)
    url = models.CharField("URL", max_length=2048)
    event_types = models.JSONField()
    secret = models.CharField(max_length=128, editable=False)
    # Signs beside the new one for a while after a rotation.
    old_secret = models.CharField(
        max_length=128, blank=True, default="", editable=False
    )
    old_secret_expires_at = models.DateTimeField(null=True, editable=False)
    is_enabled = models.BooleanField("enabled", default=True)
    disabled_reason = models.CharField(
        max_length=255, blank=True, default="", editable=False
    )
    # The circuit breaker: failures since the last success, and until when it is open.
    failures_in_row = models.PositiveIntegerField(default=0, editable=False)
    paused_until = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(editable=False)
    updated_at = models.DateTimeField(editable=False)
    deleted_at = models.DateTimeField(null=True, editable=False)

    objects = WebhookEndpointQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-id"]
        indexes = [
            models.Index(
                fields=["project", "-created_at", "-id"],
                name="vllm_batches_endpoints",
            )
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.id})"

    @property
    def secret_hint(self) -> str | None:
        """Enough of the secret to tell it from another one."""
        return f"whsec_…{self.secret[-4:]}" if self.secret else None

    def secrets(self, now: datetime) -> list[str]:
        """Return the secrets that sign at the moment, the newest first."""
        is_old_valid = self.old_secret_expires_at and self.old_secret_expires_at > now
        return [self.secret, self.old_secret] if is_old_valid else [self.secret]
