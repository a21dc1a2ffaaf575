"""The only writer of webhook endpoints."""

from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from accounts.models import Project
from batches.handlers import attempts
from batches.handlers.running import ring_handlers
from batches.handlers.webhook.signing import new_secret
from batches.models import WebhookDelivery, WebhookEndpoint
from vllm_batch.lib.clock import database_now
from vllm_batch.lib.errors import Conflict

MOST_ENDPOINTS = 100
OVERLAP = timedelta(hours=24)


def create(
    project: Project, *, name: str, url: str, event_types: list[str]
) -> WebhookEndpoint:
    """Make an endpoint with a new secret; raises Conflict if there are too many."""
    now = database_now()
    with transaction.atomic():
        # Locked, so that two requests do not both see the last free place.
        Project.objects.select_for_update().get(pk=project.pk)
        if WebhookEndpoint.objects.of(project).visible().count() >= MOST_ENDPOINTS:
            raise Conflict(
                f"This project has {MOST_ENDPOINTS} webhook endpoints, which is the"
                " most. Delete one first."
            )
        return WebhookEndpoint.objects.create(
            project=project,
            name=name,
            url=url,
            event_types=event_types,
            secret=new_secret(),
            created_at=now,
            updated_at=now,
        )


def update(endpoint: WebhookEndpoint, **fields: Any) -> None:
    """Change name, url, event_types or is_enabled; an equal value changes nothing.

    A new URL is a new start: it is enabled, and its breaker is closed.
    """
    changed = {
        name: value
        for name, value in fields.items()
        if getattr(endpoint, name) != value
    }
    if "url" in changed:
        changed.setdefault("is_enabled", True)
    if changed.get("is_enabled"):
        changed |= {"disabled_reason": "", "failures_in_row": 0, "paused_until": None}
    if changed:
        _save(endpoint, updated_at=Now(), **changed)


def rotate(endpoint: WebhookEndpoint, *, keep_old: bool) -> str:
    """Give the endpoint a new secret and return it; the old one may sign for a day."""
    secret = new_secret()
    _save(
        endpoint,
        secret=secret,
        old_secret=endpoint.secret if keep_old else "",
        old_secret_expires_at=database_now() + OVERLAP if keep_old else None,
        updated_at=Now(),
    )
    return secret


def disable(endpoint: WebhookEndpoint, reason: str) -> None:
    """Send nothing more there until somebody enables it again."""
    _save(endpoint, is_enabled=False, disabled_reason=reason, updated_at=Now())


def delete(endpoint: WebhookEndpoint) -> None:
    """Forget its secrets and send nothing more; the row stays for lists."""
    _save(endpoint, secret="", old_secret="", is_enabled=False, deleted_at=Now())
    attempts.withdraw(endpoint.deliveries.all(), "Its endpoint was deleted.")


def replay(deliveries: QuerySet[WebhookDelivery]) -> int:
    """Send again now, whatever the breakers say; return how many are to be sent."""
    endpoints = WebhookEndpoint.objects.filter(deliveries__in=deliveries)
    with transaction.atomic():
        endpoints.update(failures_in_row=0, paused_until=None)
        count = attempts.replay(deliveries)
        ring_handlers()
    return count


def _save(endpoint: WebhookEndpoint, **fields: Any) -> None:
    WebhookEndpoint.objects.visible().filter(pk=endpoint.pk).update(**fields)
    endpoint.refresh_from_db()
