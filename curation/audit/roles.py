"""Roles in a project: given, changed and taken, each with a row in the audit log.

`accounts` knows nothing of curation, so its page of projects is watched from here.
"""

from typing import Any

from django.contrib import admin
from django.contrib.auth import get_user_model
from django.db import transaction
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from accounts.admin import ProjectAdmin
from accounts.models import Membership, Project, Role
from curation.audit.recording import Actor, person, record
from curation.listing.scope import own_filters
from curation.models.audit_event import Action


def note_role(action: Action, by: Actor, membership: Membership, was: str = "") -> None:
    """Write down what happened to a role; `was` is the one before."""
    role = membership.role
    detail = f"{was} → {role}" if was and was != role else str(role)
    record(action, by, membership, project_id=membership.project_id, detail=detail)


def administered(request: HttpRequest) -> QuerySet[Project]:
    """Return the projects whose members the person may choose."""
    if getattr(request.user, "is_superuser", False):
        return Project.objects.all()
    mine = Membership.objects.filter(user_id=request.user.pk or 0, role=Role.ADMIN)
    return Project.objects.filter(pk__in=mine.values("project_id"))


admin.site.unregister(Project)


@admin.register(Project)
class WatchedProjectAdmin(ProjectAdmin):
    """Tenants and their members, for operators."""

    def save_formset(
        self, request: HttpRequest, form: Any, formset: Any, change: bool
    ) -> None:
        """Save memberships, and write down what was changed."""
        gone = [one.instance for one in getattr(formset, "deleted_forms", [])]
        by = person(request.user)
        if formset.model is Membership:
            for membership in gone:
                if membership.pk:
                    note_role(Action.ROLE_TAKEN, by, membership)
        super().save_formset(request, form, formset, change)
        if formset.model is not Membership:
            return
        for membership in formset.new_objects:
            note_role(Action.ROLE_GIVEN, by, membership)
        before = {one.instance.pk: one.initial.get("role", "") for one in formset}
        for membership, _ in formset.changed_objects:
            note_role(Action.ROLE_CHANGED, by, membership, before[membership.pk])

    def delete_model(self, request: HttpRequest, obj: Project) -> None:
        """Write it down: with a project goes all that was curated in it."""
        record(Action.DELETED, person(request.user), obj, project_id=None)
        super().delete_model(request, obj)

    def delete_queryset(
        self, request: HttpRequest, queryset: QuerySet[Project]
    ) -> None:
        """Do the same for several."""
        with transaction.atomic():
            for project in queryset:
                record(Action.DELETED, person(request.user), project, project_id=None)
            super().delete_queryset(request, queryset)


@admin.register(Membership)
class MembershipAdmin(ModelAdmin):  # type: ignore[misc]
    """Who may do what, for the admins of a project: they need no operator."""

    list_display = ["user", "project", "role", "created_at"]
    list_filter = ["project", "role"]
    list_select_related = ["user", "project"]
    search_fields = [f"user__{get_user_model().USERNAME_FIELD}"]
    autocomplete_fields = ["user"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Membership]:
        """Leave projects out in which the person is no admin."""
        found: QuerySet[Membership] = super().get_queryset(request)
        return found.filter(project__in=administered(request))

    def get_list_filter(self, request: HttpRequest) -> list[Any]:
        """Name no other projects."""
        return own_filters(self.model, super().get_list_filter(request))

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Whoever may add memberships in Django's terms, and has a project."""
        may = super().has_add_permission(request)
        return bool(may) and administered(request).exists()

    def formfield_for_foreignkey(
        self, db_field: Any, request: HttpRequest, **kwargs: Any
    ) -> Any:
        """Offer the projects in which the person is an admin."""
        if db_field.name == "project":
            kwargs["queryset"] = administered(request)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """Change the role only: another person is another membership."""
        return ["project", "user"] if obj else []

    def save_model(
        self,
        request: HttpRequest,
        obj: Membership,
        form: ModelForm,  # type: ignore[type-arg]
        change: bool,
    ) -> None:
        """Save it, and write it down."""
        super().save_model(request, obj, form, change)
        if "role" in form.changed_data or not change:
            action = Action.ROLE_CHANGED if change else Action.ROLE_GIVEN
            note_role(action, person(request.user), obj, form.initial.get("role", ""))

    def delete_model(self, request: HttpRequest, obj: Membership) -> None:
        """Take the role away, and write it down."""
        note_role(Action.ROLE_TAKEN, person(request.user), obj)
        super().delete_model(request, obj)

    def delete_queryset(
        self, request: HttpRequest, queryset: QuerySet[Membership]
    ) -> None:
        """Do the same for several."""
        with transaction.atomic():
            for membership in queryset:
                note_role(Action.ROLE_TAKEN, person(request.user), membership)
            super().delete_queryset(request, queryset)
