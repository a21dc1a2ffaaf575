"""One event on its way to one endpoint."""

from datetime import datetime

from django.db import models
from django.db.models import Q

from batches.models.attempt import OPEN, Attempt, is_due
from batches.models.batch import BatchJob
from batches.models.webhook_endpoint import WebhookEndpoint


class WebhookDeliveryQuerySet(models.QuerySet["WebhookDelivery"]):
    """Questions about deliveries."""

    def due(self, now: datetime) -> "WebhookDeliveryQuerySet":
        """Keep the deliveries whose time has come and whose endpoint is open."""
        return self.filter(is_due(now), endpoint__in=WebhookEndpoint.objects.open(now))


class WebhookDelivery(Attempt):
    """Its id and body are the same in every attempt; only time and signature differ."""

    endpoint = models.ForeignKey(
        WebhookEndpoint, on_delete=models.CASCADE, related_name="deliveries"
    )
    batch = models.ForeignKey(
        BatchJob, on_delete=models.CASCADE, related_name="webhook_deliveries"
    )
    webhook_id = models.CharField(max_length=64, unique=True)
    event_type = models.CharField(max_length=64)
    body = models.TextField()
    # The last attempt's HTTP status; none if there was no answer.
    status_code = models.PositiveSmallIntegerField(null=True)

    objects = WebhookDeliveryQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "webhook deliveries"
        ordering = ["-created_at", "-id"]
        indexes = [
            models.Index(
                fields=["endpoint", "next_attempt_at"],
                condition=Q(status__in=OPEN),
                name="vllm_batches_deliveries_open",
            )
        ]

    def __str__(self) -> str:
        return f"{self.event_type} to {self.endpoint_id}"
