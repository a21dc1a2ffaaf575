"""Projects and keys in the admin; a key's secret is shown once, after adding it."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.forms import CheckboxSelectMultiple, Form, ModelForm, MultipleChoiceField
from django.http import HttpRequest
from django.utils import timezone
from unfold.admin import ModelAdmin, TabularInline

from accounts.models import SCOPES, ApiKey, Membership, Project, all_scopes


class MembershipInline(TabularInline):  # type: ignore[misc]
    """Who reviews in the project, and in which role."""

    model = Membership
    autocomplete_fields = ["user"]
    extra = 0


@admin.register(Project)
class ProjectAdmin(ModelAdmin):  # type: ignore[misc]
    """Tenants."""

    list_display = ["name", "weight", "created_at"]
    search_fields = ["name"]
    inlines = [MembershipInline]


class ApiKeyForm(ModelForm):  # type: ignore[type-arg]
    """A key's form, with one box a scope."""

    scopes = MultipleChoiceField(
        choices=[(scope, scope) for scope in SCOPES],
        widget=CheckboxSelectMultiple,
        initial=all_scopes,
    )

    class Meta:
        model = ApiKey
        fields = ["project", "name", "scopes", "expires_at"]


@admin.register(ApiKey)
class ApiKeyAdmin(ModelAdmin):  # type: ignore[misc]
    """Keys: made, listed and revoked here."""

    form = ApiKeyForm
    list_display = ["name", "project", "prefix", "last_used_at", "expires_at", "state"]
    list_filter = ["project"]
    list_select_related = ["project"]
    search_fields = ["name", "prefix"]
    readonly_fields = ["prefix", "created_by", "created_at", "last_used_at"]
    actions = ["revoke"]

    @admin.display(description="state")
    def state(self, key: ApiKey) -> str:
        """Say whether the key works."""
        if key.revoked_at:
            return "revoked"
        is_expired = key.expires_at and key.expires_at <= timezone.now()
        return "expired" if is_expired else "live"

    def save_model(
        self, request: HttpRequest, obj: ApiKey, form: Form, change: bool
    ) -> None:
        """Make the secret of a new key, and show it this once."""
        if change:
            super().save_model(request, obj, form, change)
            return
        obj.created_by_id = request.user.pk
        secret = obj.draw_secret()
        obj.save()
        self.message_user(
            request,
            f"The key of {obj.name}, shown only now: {secret}",
            messages.WARNING,
        )

    @admin.action(description="Revoke the selected keys", permissions=["change"])
    def revoke(self, request: HttpRequest, keys: QuerySet[ApiKey]) -> None:
        """End the keys at once."""
        changed = keys.filter(revoked_at=None).update(revoked_at=timezone.now())
        self.message_user(request, f"{changed} keys were revoked.")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Keep the rows: a revoked key still explains old log lines."""
        return False
