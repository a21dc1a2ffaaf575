"""Which projects a person sees in lists, and in which they may start work."""

from collections.abc import Iterable
from typing import Any

from django.contrib.admin import RelatedOnlyFieldListFilter
from django.contrib.admin.utils import get_fields_from_path
from django.db.models import Model, QuerySet
from django.http import HttpRequest

from accounts.models import Membership, Project, Role
from vllm_batch.lib.read_only import ReadOnlyAdmin

LEADING = (Role.LEAD, Role.ADMIN)


def led_projects(request: HttpRequest) -> QuerySet[Project]:
    """Return the projects in which the person may start comparisons and judges."""
    if getattr(request.user, "is_superuser", False):
        return Project.objects.all()
    mine = Membership.objects.filter(user_id=request.user.pk or 0, role__in=LEADING)
    return Project.objects.filter(pk__in=mine.values("project_id"))


class ScopedAdmin(ReadOnlyAdmin):
    """A read-only list of what belongs to the projects the person leads.

    Reviewers see their tasks on the review page, where blind queues stay blind.
    """

    # The way from a row to its project.
    project_path = "project"
    # Long columns, which the list leaves to the row's own page.
    deferred_in_list: tuple[str, ...] = ()
    # Counting a million rows takes seconds.
    show_full_result_count = False
    list_per_page = 50

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Leave other projects' rows out, and long columns in the list."""
        found: QuerySet[Any] = super().get_queryset(request)
        match = request.resolver_match
        if match is not None and str(match.url_name).endswith("_changelist"):
            found = found.defer(*self.deferred_in_list)
        if getattr(request.user, "is_superuser", False):
            return found
        return found.filter(**{f"{self.project_path}__in": led_projects(request)})

    def get_list_filter(self, request: HttpRequest) -> list[Any]:
        """Let filters name what the listed rows belong to, and nothing else."""
        return own_filters(self.model, super().get_list_filter(request))


def own_filters(model: type[Model], names: Iterable[Any]) -> list[Any]:
    """Return list filters whose choices are cut to the rows the person sees.

    Django's own would offer the names of all projects and queues.
    """
    return [
        (name, RelatedOnlyFieldListFilter)
        if isinstance(name, str) and get_fields_from_path(model, name)[-1].is_relation
        else name
        for name in names
    ]
