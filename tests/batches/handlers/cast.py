"""Handlers that do what a test asks, and endpoints."""

from collections.abc import Callable
from typing import Any, ClassVar

from batches.handlers import BatchMetadata, ResultHandler, Results
from batches.handlers.webhook import actions
from batches.models import BatchJob, HandlerRun, WebhookDelivery, WebhookEndpoint
from tests.factories import make_project

EVENTS = ["batch.completed", "batch.failed", "batch.expired", "batch.cancelled"]


class Fake(ResultHandler):
    """Notes its calls; `does` says what a call returns or raises."""

    name = "fake"
    calls: ClassVar[list[BatchMetadata]] = []
    does: ClassVar[Callable[[Results], Any]]
    is_on: ClassVar[Any] = True

    def enabled(self) -> bool:
        if isinstance(self.is_on, Exception):
            raise self.is_on
        return bool(self.is_on)

    def handle(self, batch_id: str, results: Results, metadata: BatchMetadata) -> bool:
        self.calls.append(metadata)
        done: bool = type(self).does(results)
        return done


class Other(Fake):
    """A second one."""

    name = "other"
    calls: ClassVar[list[BatchMetadata]] = []


PATHS = [f"{__name__}.Fake", f"{__name__}.Other"]


def make_endpoint(project: Any = None, **fields: Any) -> WebhookEndpoint:
    """Make an endpoint for all events."""
    endpoint = actions.create(
        project or make_project(),
        name=fields.pop("name", "ours"),
        url=fields.pop("url", "https://hooks.example.com/a"),
        event_types=fields.pop("event_types", EVENTS),
    )
    if fields:
        WebhookEndpoint.objects.filter(pk=endpoint.pk).update(**fields)
        endpoint.refresh_from_db()
    return endpoint


def run_of(batch: BatchJob, handler: str = "fake") -> HandlerRun:
    """Return a handler's run for a batch."""
    return HandlerRun.objects.get(batch=batch, handler=handler)


def delivery() -> WebhookDelivery:
    """Return the only delivery there is."""
    return WebhookDelivery.objects.get()
