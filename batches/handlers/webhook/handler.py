"""The built-in handler that turns a batch's end into deliveries."""

from batches.handlers.base import BatchMetadata, ResultHandler, Results
from batches.handlers.running import ring_handlers
from batches.handlers.webhook.events import event_of, event_type_of
from batches.handlers.webhook.progress import tell
from batches.models import BatchJob, WebhookDelivery, WebhookEndpoint
from vllm_batch.lib.ids import derived_id


class WebhookHandler(ResultHandler):
    """Makes a delivery for each endpoint of the project that wants the event.

    Sending is another matter: each delivery has its own attempts and schedule.
    """

    name = "webhook"

    def enabled(self) -> bool:
        """Tell whether there is any endpoint to tell."""
        return WebhookEndpoint.objects.visible().filter(is_enabled=True).exists()

    def handle(self, batch_id: str, results: Results, metadata: BatchMetadata) -> bool:
        """Make the deliveries; those that are there already stay as they are."""
        batch = BatchJob.objects.select_related("project").get(pk=batch_id)
        # It may have ended sooner than the sweeper looked.
        tell(batch_id)
        wanted = event_type_of(batch)
        endpoints = WebhookEndpoint.objects.of(batch.project).visible()
        deliveries = [
            WebhookDelivery(
                endpoint=endpoint,
                batch=batch,
                webhook_id=derived_id("wh_", endpoint.pk, batch_id, wanted),
                event_type=wanted,
                body=event_of(batch),
            )
            for endpoint in endpoints.filter(is_enabled=True)
            if wanted in endpoint.event_types
        ]
        if deliveries:
            WebhookDelivery.objects.bulk_create(deliveries, ignore_conflicts=True)
            ring_handlers()
        return True
