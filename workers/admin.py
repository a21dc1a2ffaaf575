"""Models and workers in the admin."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from vllm_batch.lib.read_only import ReadOnlyAdmin
from workers.models import Heartbeat, ServedModel


@admin.register(ServedModel)
class ServedModelAdmin(ModelAdmin):  # type: ignore[misc]
    """What clients may name."""

    list_display = ["name", "engine", "source", "is_enabled"]
    list_filter = ["engine", "is_enabled"]
    search_fields = ["name", "source"]
    readonly_fields = ["created_at"]


@admin.register(Heartbeat)
class HeartbeatAdmin(ReadOnlyAdmin):
    """Who is at work."""

    list_display = [
        "slot",
        "state",
        "model",
        "requests_in_flight",
        "requests_done",
        "reason",
        "host",
        "beat_at",
    ]

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Let the row of a worker that is gone for good be cleared away."""
        return True
