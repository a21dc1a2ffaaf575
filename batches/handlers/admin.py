"""Handler runs, webhook endpoints and deliveries in the admin."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.forms import CheckboxSelectMultiple, ModelForm, MultipleChoiceField
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from batches.handlers.replaying import replay
from batches.handlers.webhook import actions
from batches.handlers.webhook.events import END_TYPES, EVENT_TYPES
from batches.handlers.webhook.targets import UnsafeUrl, check_url
from batches.handlers.webhook.testing import send_sample
from batches.models import Attempt, HandlerRun, WebhookDelivery, WebhookEndpoint
from vllm_batch.lib.errors import ApiError
from vllm_batch.lib.read_only import ReadOnlyAdmin

SHOWN_LETTERS = 80
ATTEMPT = ["status", "attempts", "next_attempt_at", "error_start"]


class AttemptAdmin(ReadOnlyAdmin):
    """A list of what is tried until it works."""

    @admin.display(description="last error", ordering="last_error")
    def error_start(self, row: Attempt) -> str:
        """Show as much of the last error as fits."""
        return row.last_error[:SHOWN_LETTERS]


@admin.register(HandlerRun)
class HandlerRunAdmin(AttemptAdmin):
    """What handlers did with ended batches, and what is still to be done."""

    list_display = ["handler", "batch", *ATTEMPT, "created_at"]
    list_filter = ["status", "handler", "batch__project"]
    list_select_related = ["batch"]
    search_fields = ["=batch__id"]
    actions = ["replay"]

    def has_replay_permission(self, request: HttpRequest) -> bool:
        """Whoever may change runs in Django's terms may replay them."""
        return request.user.has_perm("vllm_batches.change_handlerrun")

    @admin.action(description="Run again", permissions=["replay"])
    def replay(self, request: HttpRequest, runs: QuerySet[HandlerRun]) -> None:
        """Queue the runs again."""
        rows = HandlerRun.objects.filter(pk__in=runs.values("pk"))
        self.message_user(request, f"{replay(rows)} runs were queued.")


@admin.register(WebhookDelivery)
class WebhookDeliveryAdmin(AttemptAdmin):
    """Events that were sent, or are on their way."""

    list_display = [
        "webhook_id",
        "event_type",
        "endpoint",
        "batch",
        "status_code",
        *ATTEMPT,
    ]
    list_filter = ["status", "event_type", "endpoint__project"]
    list_select_related = ["endpoint", "batch"]
    search_fields = ["=webhook_id", "=batch__id", "=endpoint__id"]
    actions = ["replay"]

    def has_replay_permission(self, request: HttpRequest) -> bool:
        """Whoever may change deliveries in Django's terms may send them again."""
        return request.user.has_perm("vllm_batches.change_webhookdelivery")

    @admin.action(description="Send again", permissions=["replay"])
    def replay(self, request: HttpRequest, rows: QuerySet[WebhookDelivery]) -> None:
        """Queue the deliveries again, with the ids and bodies they had."""
        chosen = WebhookDelivery.objects.filter(pk__in=rows.values("pk"))
        self.message_user(request, f"{actions.replay(chosen)} deliveries were queued.")


class WebhookEndpointForm(ModelForm):  # type: ignore[type-arg]
    """An endpoint's form: the same rules as in the API."""

    event_types = MultipleChoiceField(
        choices=[(name, name) for name in EVENT_TYPES],
        widget=CheckboxSelectMultiple,
        initial=END_TYPES,
    )

    class Meta:
        model = WebhookEndpoint
        fields = ["project", "name", "url", "event_types", "is_enabled"]

    def clean_url(self) -> str:
        """Refuse what could never be sent to."""
        url: str = self.cleaned_data["url"]
        try:
            check_url(url)
        except UnsafeUrl as error:
            raise ValidationError(str(error)) from None
        return url


@admin.register(WebhookEndpoint)
class WebhookEndpointAdmin(ModelAdmin):  # type: ignore[misc]
    """Endpoints of all projects; a secret is shown once, when it is made."""

    form = WebhookEndpointForm
    list_display = ["name", "project", "url", "is_enabled", "state", "created_at"]
    list_filter = ["is_enabled", "project"]
    list_select_related = ["project"]
    search_fields = ["=id", "name", "url"]
    readonly_fields = ["id", "secret_hint", "state", "created_at", "updated_at"]
    actions = ["rotate", "send_test"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[WebhookEndpoint]:
        """Leave out what was deleted."""
        found: QuerySet[WebhookEndpoint] = super().get_queryset(request)
        return found.filter(deleted_at=None)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """Keep an endpoint in its project."""
        return [*self.readonly_fields, *(["project"] if obj else [])]

    @admin.display(description="state")
    def state(self, endpoint: WebhookEndpoint) -> str:
        """Say how sending goes."""
        if not endpoint.is_enabled:
            return endpoint.disabled_reason or "disabled"
        failures = endpoint.failures_in_row
        return f"failed {failures} times in a row" if failures else "well"

    def save_model(
        self, request: HttpRequest, obj: WebhookEndpoint, form: Any, change: bool
    ) -> None:
        """Make or change the endpoint as the API does."""
        fields = form.cleaned_data
        if change:
            project = fields.pop("project", None)  # noqa: F841 - stays as it is
            obj.refresh_from_db()
            actions.update(obj, **fields)
            return
        is_enabled = fields.pop("is_enabled")
        made = actions.create(fields.pop("project"), **fields)
        actions.update(made, is_enabled=is_enabled)
        obj.pk = made.pk
        obj.refresh_from_db()
        self._show_secret(request, made)

    def _show_secret(self, request: HttpRequest, endpoint: WebhookEndpoint) -> None:
        text = f"The signing secret of {endpoint.name}, shown only now:"
        self.message_user(request, f"{text} {endpoint.secret}", messages.WARNING)

    def get_deleted_objects(
        self, objs: Any, request: HttpRequest
    ) -> tuple[list[str], dict[str, int], set[str], list[str]]:
        """List the endpoints only: their deliveries stay."""
        return [str(endpoint) for endpoint in objs], {}, set(), []

    def delete_model(self, request: HttpRequest, obj: WebhookEndpoint) -> None:
        """Delete as the API does: the row stays, without secrets."""
        actions.delete(obj)

    def delete_queryset(
        self, request: HttpRequest, queryset: QuerySet[WebhookEndpoint]
    ) -> None:
        """Delete each of them so."""
        for endpoint in queryset:
            actions.delete(endpoint)

    @admin.action(
        description="Make a new secret; the old one signs for 24 hours more",
        permissions=["change"],
    )
    def rotate(
        self, request: HttpRequest, endpoints: QuerySet[WebhookEndpoint]
    ) -> None:
        """Rotate the secrets and show the new ones."""
        for endpoint in endpoints:
            actions.rotate(endpoint, keep_old=True)
            self._show_secret(request, endpoint)

    @admin.action(description="Send a test event", permissions=["change"])
    def send_test(
        self, request: HttpRequest, endpoints: QuerySet[WebhookEndpoint]
    ) -> None:
        """Send a sample to each and tell what it answered."""
        for endpoint in endpoints:
            try:
                status = send_sample(endpoint, endpoint.event_types[0])
            except ApiError as error:
                self.message_user(request, error.message, messages.WARNING)
            else:
                self.message_user(request, f"{endpoint.name} answered {status}.")
