"""Models and workers in the admin."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from unfold.admin import ModelAdmin

from vllm_batch.lib.read_only import ReadOnlyAdmin
from workers.gpu import report
from workers.memory.errors import CannotPlan
from workers.memory.report import as_text
from workers.memory.sizes import parse_size
from workers.memory.sources import plan_for, source_of_served
from workers.models import GpuLease, Heartbeat, ServedModel

GPU_SIZES = ("8GiB", "12GiB", "16GiB", "24GiB", "48GiB", "80GiB")
USUAL_GPU = "16GiB"


@admin.register(ServedModel)
class ServedModelAdmin(ModelAdmin):  # type: ignore[misc]
    """What clients may name, and how it fits on a GPU."""

    list_display = ["name", "engine", "source", "is_enabled", "disabled_reason"]
    list_filter = ["engine", "is_enabled", "may_train_others"]
    search_fields = ["name", "source"]
    readonly_fields = [
        "created_at",
        "disabled_reason",
        "load_seconds",
        "wake_seconds",
        "memory_plan",
    ]

    fieldsets = [
        (None, {"fields": ["name", "is_enabled", "disabled_reason", "endpoints"]}),
        (
            "Engine",
            {
                "fields": [
                    "engine",
                    "source",
                    "revision",
                    "quantization",
                    "engine_args",
                    "lora_adapters",
                    "chat_template",
                    "run_hours",
                ]
            },
        ),
        ("Requests", {"fields": ["request_limits"]}),
        ("Licence", {"fields": ["licence", "may_train_others"]}),
        ("Seen", {"fields": ["load_seconds", "wake_seconds", "created_at"]}),
        ("Memory", {"fields": ["memory_plan"]}),
    ]

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> ServedModel | None:
        """Find the model, and keep the GPU's size that the page is asked for."""
        model: ServedModel | None = super().get_object(request, object_id, from_field)
        if model is not None:
            # An instance's own note, gone with the request.
            vars(model)["plan_gpu"] = request.GET.get("gpu", USUAL_GPU)
        return model

    @admin.display(description="memory plan")
    def memory_plan(self, model: ServedModel) -> str:
        """Show what `plan_model` says of the saved model, and links to other cards."""
        if model._state.adding:
            return "–"
        links = format_html_join(" · ", '<a href="?gpu={}">{}</a>', _pairs())
        gpu = vars(model).get("plan_gpu", USUAL_GPU)
        return format_html(
            '<div>{}</div><pre style="white-space: pre-wrap">{}</pre>',
            links,
            _plan_text(model, gpu),
        )


def _pairs() -> list[tuple[str, str]]:
    return [(size, size) for size in GPU_SIZES]


def _plan_text(model: ServedModel, gpu: str) -> str:
    try:
        return as_text(plan_for(source_of_served(model), parse_size(gpu)))
    except CannotPlan as reason:
        return str(reason)


class ClearedAdmin(ReadOnlyAdmin):
    """Rows of workers, which write them again while they live."""

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Let the row of a worker that is gone for good be cleared away."""
        return True


@admin.register(GpuLease)
class GpuLeaseAdmin(ClearedAdmin):
    """Who owns which GPU."""

    list_display = ["host", "slot", "expires_at", "holder"]


@admin.register(Heartbeat)
class HeartbeatAdmin(ClearedAdmin):
    """Who is at work."""

    list_display = [
        "host",
        "slot",
        "state",
        "model",
        "card",
        "requests_in_flight",
        "requests_done",
        "reason",
        "beat_at",
    ]
    # Shown as `card_details` and `endpoints`, not as JSON.
    exclude = ["gpu", "servers"]
    readonly_fields = ["card_details", "endpoints"]

    @admin.display(description="GPU")
    def card(self, beat: Heartbeat) -> str:
        """Say in a line how the worker's card is."""
        return report.summary(beat.gpu)

    @admin.display(description="endpoints")
    def endpoints(self, beat: Heartbeat) -> str:
        """Say what is known of each server of an engine that has several."""
        rows = [
            (
                row.get("endpoint", ""),
                row.get("state", ""),
                row.get("in_flight", 0),
                row.get("limit", 0),
                row.get("done", 0),
                row.get("errors", 0),
            )
            for row in beat.servers or ()
        ]
        text = "<div>{}: {}; {} of {} in flight, {} done, {} errors</div>"
        return format_html_join("", text, rows) or "–"

    @admin.display(description="GPU")
    def card_details(self, beat: Heartbeat) -> str:
        """Say all that NVML told of the card."""
        return format_html_join("", "<div>{}: {}</div>", report.rows(beat.gpu))
