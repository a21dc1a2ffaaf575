"""Queues in Label Studio, and what needs a person's eye, in the admin."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django_q.tasks import async_task
from unfold.admin import ModelAdmin

from curation.audit.recording import person, record
from curation.label_studio.labelling import VERDICTS, config_hash
from curation.label_studio.pushing import note_copy
from curation.label_studio.tasks import request_pull
from curation.listing.scope import led_projects, own_filters
from curation.models import ExternalLink, LabelStudioProject, Queue
from curation.models.audit_event import Action
from vllm_batch.lib.conf import conf
from vllm_batch.lib.read_only import ReadOnlyAdmin


class LabelStudioProjectForm(forms.ModelForm):  # type: ignore[type-arg]
    """Chooses a queue to be copied."""

    class Meta:
        model = LabelStudioProject
        fields = ["queue"]

    def clean(self) -> dict[str, Any]:
        """Refuse what could not be copied."""
        cleaned: dict[str, Any] = super().clean() or {}
        queue = cleaned.get("queue")
        if not conf().has_label_studio:
            text = "Set LABEL_STUDIO_URL and LABEL_STUDIO_TOKEN first."
            raise forms.ValidationError(text)
        if queue is not None and queue.mode not in VERDICTS:
            raise forms.ValidationError("Label Studio gets pairs and single answers.")
        if queue is not None:
            self.instance.url = conf().LABEL_STUDIO_URL
            self.instance.config_hash = config_hash(queue.mode)
        return cleaned


@admin.register(LabelStudioProject)
class LabelStudioProjectAdmin(ModelAdmin):  # type: ignore[misc]
    """Which queues are copied to Label Studio, and how that goes."""

    form = LabelStudioProjectForm
    list_display = ["queue", "url", "remote_id", "pulled_at", "last_error"]
    list_filter = ["queue__project"]
    list_select_related = ["queue"]
    actions = ["push_again", "pull_now"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[LabelStudioProject]:
        """Leave other projects' queues out."""
        found: QuerySet[LabelStudioProject] = super().get_queryset(request)
        return found.filter(queue__project__in=led_projects(request))

    def get_list_filter(self, request: HttpRequest) -> list[Any]:
        """Name no other projects."""
        return own_filters(self.model, super().get_list_filter(request))

    def formfield_for_foreignkey(
        self, db_field: Any, request: HttpRequest, **options: Any
    ) -> Any:
        """Offer the queues of the person's own projects."""
        if db_field.name == "queue":
            queues = Queue.objects.filter(project__in=led_projects(request))
            options["queryset"] = queues
        return super().formfield_for_foreignkey(db_field, request, **options)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """No row is changed by hand."""
        return False

    def save_model(
        self, request: HttpRequest, obj: LabelStudioProject, form: Any, change: bool
    ) -> None:
        """Begin to copy the queue."""
        super().save_model(request, obj, form, change)
        note_copy(obj, person(request.user), f"begins, to {obj.url}")
        request_pull([obj.pk])

    def delete_model(self, request: HttpRequest, obj: LabelStudioProject) -> None:
        """End the copying, and write it down."""
        self._note_deleted(request, obj)
        super().delete_model(request, obj)

    def delete_queryset(
        self, request: HttpRequest, queryset: QuerySet[LabelStudioProject]
    ) -> None:
        """Do the same for several."""
        with transaction.atomic():
            for row in queryset:
                self._note_deleted(request, row)
            super().delete_queryset(request, queryset)

    def _note_deleted(self, request: HttpRequest, row: LabelStudioProject) -> None:
        by, project_id = person(request.user), row.queue.project_id
        record(Action.DELETED, by, row, project_id=project_id)

    def has_exchange_permission(self, request: HttpRequest) -> bool:
        """Whoever may change projects in Django's terms may push and pull them."""
        return bool(request.user.has_perm("vllm_curation.change_labelstudioproject"))

    @admin.action(description="Push again, changes included", permissions=["exchange"])
    def push_again(
        self, request: HttpRequest, rows: QuerySet[LabelStudioProject]
    ) -> None:
        """Queue a full push."""
        for row in rows:
            with transaction.atomic():
                by = person(request.user)
                note_copy(row, by, f"again, changes included, to {row.url}")
            async_task("curation.label_studio.tasks.push", row.queue_id, cluster="ops")
        self.message_user(request, f"{len(rows)} pushes were queued.")

    @admin.action(description="Pull annotations now", permissions=["exchange"])
    def pull_now(
        self, request: HttpRequest, rows: QuerySet[LabelStudioProject]
    ) -> None:
        """Queue a pull."""
        request_pull(list(rows.values_list("pk", flat=True)))
        self.message_user(request, f"{len(rows)} pulls were queued.")


class HasConflict(admin.SimpleListFilter):
    """Links that somebody has to look at."""

    title, parameter_name = "conflict", "conflict"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Offer one choice."""
        return [("yes", "to be looked at")]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[ExternalLink]
    ) -> QuerySet[ExternalLink]:
        """Keep those with a conflict."""
        return queryset.exclude(conflict="") if self.value() == "yes" else queryset


@admin.register(ExternalLink)
class ExternalLinkAdmin(ReadOnlyAdmin):
    """What of ours lies in other systems, and where they contradict us."""

    list_display = [
        "system",
        "object_type",
        "local_id",
        "remote_scope",
        "remote_id",
        "conflict",
        "synced_at",
    ]
    list_filter = [HasConflict, "system", "object_type"]
    search_fields = ["=remote_id", "=local_id"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[ExternalLink]:
        """Show them to superusers only: a link does not know its project."""
        found: QuerySet[ExternalLink] = super().get_queryset(request)
        return found if getattr(request.user, "is_superuser", False) else found.none()
