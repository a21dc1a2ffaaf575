"""Exports in the admin: how far they are, why they failed, and the download."""

from typing import Any

from django.contrib import admin
from django.db import transaction
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from curation.audit.recording import Actor, person, record
from curation.datasets.admin import as_lines
from curation.datasets.artifacts import is_there
from curation.datasets.forms import filename_of
from curation.listing.scope import ScopedAdmin
from curation.models import Artifact, DatasetVersion
from curation.models.audit_event import Action
from curation.models.dataset import ArtifactState
from files.models import batch_storage

REFRESH_SECONDS = 3
# unfold takes a progress element's look away; its own classes are not for lists.
BAR = (
    '<span role="progressbar" aria-label="Rows written" aria-valuenow="{}"'
    ' aria-valuemin="0" aria-valuemax="{}" style="display: inline-block;'
    " width: 8rem; height: .5rem; border-radius: 1rem; overflow: hidden;"
    ' background: color-mix(in srgb, currentColor 20%, transparent)">'
    '<span style="display: block; height: 100%; width: {}%;'
    ' background: var(--color-primary-600)"></span></span> {} of {}'
)
MOVING = (ArtifactState.WAITING, ArtifactState.RUNNING)


@admin.register(Artifact)
class ArtifactAdmin(ScopedAdmin):
    """Exports: how far they are, why they failed, and the download."""

    project_path = "version__dataset__project"
    list_display = ["__str__", "state", "progress", "bytes", "download", "created_at"]
    list_filter = ["state", "profile", "version__dataset"]
    list_select_related = ["version__dataset"]
    fields = [
        "version",
        "profile",
        "state",
        "progress",
        "error",
        "download",
        "bytes",
        "sha256",
        "checked",
    ]
    readonly_fields = ["progress", "download", "checked"]

    @admin.display(description="rows")
    def progress(self, artifact: Artifact) -> str:
        """Show how many rows are written."""
        rows = artifact.rows
        total = artifact.version.reports.get("members", {}).get("total", 0)
        share = round(100 * rows / total) if total else 0
        return format_html(BAR, rows, total, min(100, share), rows, total)

    @admin.display(description="download")
    def download(self, artifact: Artifact) -> str:
        """Show a link, once there is something."""
        if artifact.state != ArtifactState.READY:
            return "–"
        url = reverse("admin:vllm_curation_artifact_download", args=[artifact.pk])
        return format_html('<a href="{}">Download</a>', url)

    @admin.display(description="validation")
    def checked(self, artifact: Artifact) -> SafeString:
        """Show what the check found."""
        found = artifact.validation
        lines = [
            f"{one['split']} row {one['row']}: {one['field']} {one['message']}"
            for one in found.get("errors", [])
        ]
        lines += [f"{n} rows: {why}" for why, n in found.get("warnings", {}).items()]
        tokens = found.get("tokens", {}).items()
        lines += [f"tokens, {key}: {value}" for key, value in tokens]
        return as_lines(lines)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: Any = None,
    ) -> HttpResponse:
        """Show an export; the page follows one that is not ready, without a script."""
        found: HttpResponse = super().change_view(
            request, object_id, form_url, extra_context
        )
        artifact = self.get_object(request, object_id)
        if artifact is not None and artifact.state in MOVING:
            found["Refresh"] = str(REFRESH_SECONDS)
        return found

    def get_urls(self) -> list[URLPattern]:
        """Add the download."""
        view = self.admin_site.admin_view(self.download_view)
        own = path("<int:pk>/download/", view, name="vllm_curation_artifact_download")
        found: list[URLPattern] = super().get_urls()
        return [own, *found]

    def download_view(self, request: HttpRequest, pk: int) -> FileResponse:
        """Send the archive to whoever leads its project."""
        may = self.has_view_permission(request)
        rows = self.get_queryset(request).select_related("version__dataset")
        artifact = rows.filter(pk=pk, state=ArtifactState.READY).first()
        if not may or artifact is None or not is_there(artifact):
            raise Http404("There is no such export.")
        version = artifact.version
        note_download(version, person(request.user), artifact)
        return FileResponse(
            batch_storage().open(artifact.path),
            as_attachment=True,
            filename=filename_of(version.dataset, version.number, artifact.profile),
            content_type="application/zip",
        )


def note_download(version: DatasetVersion, by: Actor, artifact: Artifact) -> None:
    """Write down who takes an archive, before its first byte leaves."""
    detail = f"{artifact.profile}, sha256 {artifact.sha256}"
    project_id = version.dataset.project_id
    with transaction.atomic():
        record(Action.DOWNLOADED, by, version, project_id=project_id, detail=detail)
