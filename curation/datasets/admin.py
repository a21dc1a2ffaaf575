"""Datasets, their versions and exports in the admin."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse
from django.http import HttpResponseRedirect as Redirect
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from curation.datasets.diff_page import MOST_MEMBERS, diff_page
from curation.datasets.naming import name_of
from curation.datasets.pages import add_page, export_page, freeze_page
from curation.datasets.summary import summary
from curation.datasets.verifying import verify
from curation.listing.scope import ScopedAdmin, led_projects
from curation.models import Dataset, DatasetVersion


class _LedAdmin(ScopedAdmin):
    """What leads may do with their projects' datasets."""

    def has_make_permission(self, request: HttpRequest) -> bool:
        """Whoever may add datasets in Django's terms, and leads a project."""
        may = request.user.has_perm("vllm_curation.add_dataset")
        return may and led_projects(request).exists()

    def _guarded(self, request: HttpRequest, show: Any, *args: int) -> HttpResponse:
        if not self.has_make_permission(request):
            self.message_user(request, "You lead no project.", messages.WARNING)
            return Redirect(reverse("admin:index"))
        response: HttpResponse = show(self, request, *args)
        return response

    def _go(self, request: HttpRequest, rows: QuerySet[Any], name: str) -> Any:
        chosen = list(rows[:2])
        if len(chosen) != 1:
            self.message_user(request, "Choose one.", messages.WARNING)
            return None
        return Redirect(reverse(f"admin:vllm_curation_{name}", args=[chosen[0].pk]))


@admin.register(Dataset)
class DatasetAdmin(_LedAdmin):
    """Names for versions; adding one leads on to freezing."""

    list_display = ["name", "project", "kind", "version_count", "created_at"]
    list_filter = ["project", "kind"]
    list_select_related = ["project"]
    search_fields = ["name"]
    actions = ["freeze"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Dataset]:
        """Count the versions of each."""
        found: QuerySet[Dataset] = super().get_queryset(request)
        return found.annotate(numbers=Count("versions"))

    @admin.display(description="versions", ordering="numbers")
    def version_count(self, dataset: Any) -> int:
        """Show how many there are."""
        return int(dataset.numbers)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Leads make datasets."""
        return self.has_make_permission(request)

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Show the page that makes one."""
        return self._guarded(request, add_page)

    def get_urls(self) -> list[URLPattern]:
        """Add the page that freezes."""
        view = self.admin_site.admin_view(self.freeze_view)
        own = path("<int:pk>/freeze/", view, name="vllm_curation_dataset_freeze")
        found: list[URLPattern] = super().get_urls()
        return [own, *found]

    def freeze_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Show the page that freezes a version."""
        return self._guarded(request, freeze_page, pk)

    @admin.action(description="Freeze a version", permissions=["make"])
    def freeze(self, request: HttpRequest, datasets: QuerySet[Dataset]) -> Any:
        """Go to the page that asks what goes into it."""
        return self._go(request, datasets, "dataset_freeze")


@admin.register(DatasetVersion)
class DatasetVersionAdmin(_LedAdmin):
    """Frozen versions with their reports."""

    project_path = "dataset__project"
    list_display = ["__str__", "kind", "examples", "manifest", "frozen_at"]
    list_filter = ["dataset__project", "dataset"]
    list_select_related = ["dataset"]
    search_fields = ["dataset__name", "=manifest_sha256"]
    fields = [
        "dataset",
        "number",
        "frozen_at",
        "created_by",
        "rules_version",
        "manifest_sha256",
        "report",
        "chosen_by",
        "licences",
    ]
    readonly_fields = ["report", "chosen_by", "licences", "frozen_at"]
    actions = ["export", "verify", "compare"]

    @admin.display(description="kind", ordering="dataset__kind")
    def kind(self, version: DatasetVersion) -> str:
        """Show what its examples are for."""
        return version.dataset.kind

    @admin.display(description="examples")
    def examples(self, version: DatasetVersion) -> int:
        """Show how many there are."""
        return int(version.reports.get("members", {}).get("total", 0))

    @admin.display(description="manifest")
    def manifest(self, version: DatasetVersion) -> str:
        """Show the hash's beginning."""
        return version.manifest_sha256[:12]

    @admin.display(description="report")
    def report(self, version: DatasetVersion) -> SafeString:
        """Show what is worth knowing, a line each."""
        return as_lines(summary(version))

    @admin.display(description="filter")
    def chosen_by(self, version: DatasetVersion) -> SafeString:
        """Show what was asked for."""
        set_ones = ((k, v) for k, v in version.filter.items() if v not in ([], None))
        return as_lines(f"{key}: {value}" for key, value in set_ones)

    @admin.display(description="licences of source models")
    def licences(self, version: DatasetVersion) -> SafeString:
        """Show what was known at the freeze."""
        rows = version.reports.get("licences", {}).items()
        return as_lines(
            f"{name}: {one['licence'] or 'licence unknown'}; may train others:"
            f" {one['may_train_others']}"
            for name, one in rows
        )

    def get_urls(self) -> list[URLPattern]:
        """Add the pages that export and compare."""
        view = self.admin_site.admin_view(self.export_view)
        own = path("<int:pk>/export/", view, name="vllm_curation_datasetversion_export")
        diff = path(
            "<int:old>/differences/<int:new>/",
            self.admin_site.admin_view(self.diff_view),
            name="vllm_curation_datasetversion_diff",
        )
        found: list[URLPattern] = super().get_urls()
        return [own, diff, *found]

    def export_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Show the page that exports a version."""
        return self._guarded(request, export_page, pk)

    def diff_view(self, request: HttpRequest, old: int, new: int) -> HttpResponse:
        """Show what differs between two versions."""
        return self._guarded(request, diff_page, old, new)

    @admin.action(description="Export", permissions=["make"])
    def export(self, request: HttpRequest, versions: QuerySet[DatasetVersion]) -> Any:
        """Go to the page that asks for the profile."""
        return self._go(request, versions, "datasetversion_export")

    @admin.action(description="Verify: recompute all hashes", permissions=["make"])
    def verify(self, request: HttpRequest, versions: QuerySet[DatasetVersion]) -> None:
        """Say for each one whether it is what was frozen."""
        for version in versions.select_related("dataset")[:10]:
            if self.examples(version) > MOST_MEMBERS:
                text = f"{name_of(version)} is large: use `manage.py verify_dataset`."
                self.message_user(request, text, messages.WARNING)
                continue
            proof = verify(version)
            text = f"{name_of(version)} is intact: {proof.members} members."
            if not proof.is_intact:
                text = f"{name_of(version)} is damaged: {'; '.join(proof.faults)}."
            level = messages.SUCCESS if proof.is_intact else messages.ERROR
            self.message_user(request, text, level)

    @admin.action(description="Show what differs between two", permissions=["make"])
    def compare(self, request: HttpRequest, versions: QuerySet[DatasetVersion]) -> Any:
        """Go to the page that says it."""
        pair = list(versions.order_by("frozen_at", "pk").values_list("pk", flat=True))
        if len(pair) != 2:
            self.message_user(request, "Choose two versions.", messages.WARNING)
            return None
        return Redirect(reverse("admin:vllm_curation_datasetversion_diff", args=pair))


def as_lines(lines: Any) -> SafeString:
    """Return texts below each other; a dash for none."""
    return format_html_join("", "{}<br>", ((line,) for line in lines)) or SafeString(
        "–"
    )
