"""Batches in the admin: where each one stands, and ways to cancel and to retry it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

from django.contrib import admin, messages
from django.contrib.admin.utils import quote
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from unfold.views import ChangeList

from batches import actions, pause_actions, repeating
from batches.canary import canary_object
from batches.dry_runs import dry_run
from batches.handlers import admin as handlers_admin  # noqa: F401 - registers its pages
from batches.models import BatchJob, FailedRequest
from batches.orders import RetryOrder
from batches.outlook import Outlook, outlook_of, outlooks
from batches.preflight_text import as_table
from batches.retry_actions import retry
from batches.serializers import manifest_object
from vllm_batch.lib.errors import ApiError
from vllm_batch.lib.read_only import ReadOnlyAdmin

SHOWN_LETTERS = 80


def may_change_batches(request: HttpRequest) -> bool:
    """Tell whether the user may cancel and retry: who may change them in general."""
    return request.user.has_perm("vllm_batches.change_batchjob")


class BatchChangeList(ChangeList):  # type: ignore[misc]
    """A page of batches that finds all their outlooks together."""

    def get_results(self, request: HttpRequest) -> None:
        """Read the page, then what the columns need."""
        super().get_results(request)
        page: list[Any] = list(getattr(self, "result_list"))  # noqa: B009 - untyped
        found = outlooks(page)
        for batch in page:
            batch.outlook = found[batch.pk]
        self.result_list = page


@admin.register(BatchJob)
class BatchAdmin(ReadOnlyAdmin):
    """Batches of all projects, newest first."""

    list_display = [
        "id",
        "project",
        "status",
        "model",
        "progress",
        "eta",
        "waiting",
        "first_lines",
        "created_at",
    ]
    list_filter = ["status", "project", "endpoint"]
    list_select_related = ["project"]
    search_fields = ["id", "input_file_id", "model"]
    exclude = ["manifest", "pinned_manifest", "preflight"]
    readonly_fields = [
        "progress",
        "eta",
        "waiting",
        "first_lines",
        "ran_on",
        "pinned",
        "preflight_report",
    ]
    actions = [
        "pause",
        "resume",
        "cancel",
        "retry",
        "retry_and_merge",
        "run_again",
        "preflight",
    ]

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        """Use a list that asks once for a whole page."""
        return BatchChangeList

    @admin.display(description="progress")
    def progress(self, batch: BatchJob) -> str:
        """Show how many lines have a result, and how many of them failed."""
        done = batch.completed + batch.failed
        failed = f", {batch.failed} failed" if batch.failed else ""
        return f"{done} of {batch.total}{failed}"

    @admin.display(description="ready in")
    def eta(self, batch: BatchJob) -> str:
        """Show how long the batch will take, if anybody can tell."""
        seconds = _outlook(batch).eta_seconds
        if seconds is None:
            return "–"
        minutes, seconds = divmod(seconds, 60)
        return f"{minutes // 60}:{minutes % 60:02}:{seconds:02}"

    @admin.display(description="waiting for")
    def waiting(self, batch: BatchJob) -> str:
        """Show why the batch is not moving."""
        waiting = _outlook(batch).waiting
        return waiting.message if waiting else "–"

    @admin.display(description="first lines")
    def first_lines(self, batch: BatchJob) -> str:
        """Show how the lines fared that are tried before the rest."""
        canary = canary_object(batch)
        if canary is None:
            return "–"
        return (
            f"{canary['state']}: {canary['failed']} of {canary['lines']} failed,"
            f" {canary['cut_off']} cut off"
        )

    @admin.display(description="manifest")
    def ran_on(self, batch: BatchJob) -> str:
        """Show what the batch ran on, as the API gives it."""
        return _as_json(batch.manifest and manifest_object(batch))

    @admin.display(description="pinned manifest")
    def pinned(self, batch: BatchJob) -> str:
        """Show what the batch has to run on."""
        return _as_json(batch.pinned_manifest)

    @admin.action(
        description="Run again with the same manifest", permissions=["cancel"]
    )
    def run_again(self, request: HttpRequest, batches: QuerySet[BatchJob]) -> None:
        """Make a new batch of each one's input file, on what it ran on."""
        for batch in batches:
            with _told(self, request, batch):
                again = repeating.run_again(batch)
                self.message_user(request, f"{batch.pk} runs again as {again.pk}.")

    @admin.action(description="Pause the selected batches", permissions=["cancel"])
    def pause(self, request: HttpRequest, batches: QuerySet[BatchJob]) -> None:
        """Start no more of their lines; those in flight may end."""
        for batch in batches:
            with _told(self, request, batch):
                pause_actions.pause(batch, f"by {request.user}")

    @admin.action(description="Resume the selected batches", permissions=["cancel"])
    def resume(self, request: HttpRequest, batches: QuerySet[BatchJob]) -> None:
        """Let them go on, whatever they were paused for."""
        for batch in batches:
            with _told(self, request, batch):
                pause_actions.resume(batch)

    @admin.display(description="pre-flight")
    def preflight_report(self, batch: BatchJob) -> str:
        """Show what was seen of the lines before they run."""
        return "–" if batch.preflight is None else as_table(batch.preflight)

    @admin.action(
        description="Pre-flight: look at the same lines again, run nothing",
        permissions=["cancel"],
    )
    def preflight(self, request: HttpRequest, batches: QuerySet[BatchJob]) -> None:
        """Make a dry run over each one's input."""
        for batch in batches.select_related("project"):
            with _told(self, request, batch):
                found = dry_run(batch)
                self.message_user(request, f"{batch.pk}: pre-flight as {found.pk}.")

    def has_cancel_permission(self, request: HttpRequest) -> bool:
        """Whoever may change batches in Django's terms may cancel them."""
        return may_change_batches(request)

    @admin.action(description="Cancel the selected batches", permissions=["cancel"])
    def cancel(self, request: HttpRequest, batches: QuerySet[BatchJob]) -> None:
        """Cancel what can be cancelled; what is finished is delivered."""
        for batch in batches:
            with _told(self, request, batch):
                actions.cancel(batch)

    @admin.action(description="Run failed lines again", permissions=["cancel"])
    def retry(self, request: HttpRequest, batches: QuerySet[BatchJob]) -> None:
        """Make a new batch of each one's failed lines."""
        for batch in batches:
            _retry(self, request, batch, RetryOrder())

    @admin.action(
        description="Run failed lines again, and merge the results",
        permissions=["cancel"],
    )
    def retry_and_merge(
        self, request: HttpRequest, batches: QuerySet[BatchJob]
    ) -> None:
        """Do so, and put the other results into the new batch's files too."""
        for batch in batches:
            _retry(self, request, batch, RetryOrder(is_merged=True))


@admin.register(FailedRequest)
class FailedRequestAdmin(ReadOnlyAdmin):
    """Lines that were run and failed."""

    list_display = [
        "custom_id_start",
        "batch_link",
        "line",
        "cause",
        "status",
        "attempts",
        "message_start",
        "created_at",
    ]
    list_filter = ["cause", "batch__project"]
    list_select_related = ["batch"]
    search_fields = ["custom_id", "=batch__id"]
    actions = ["retry"]

    @admin.display(description="custom_id", ordering="custom_id")
    def custom_id_start(self, failed: FailedRequest) -> str:
        """Show as much of the custom id as fits."""
        return failed.custom_id[:SHOWN_LETTERS]

    @admin.display(description="batch", ordering="batch")
    def batch_link(self, failed: FailedRequest) -> str:
        """Link to the line's batch."""
        url = reverse(
            "admin:vllm_batches_batchjob_change", args=[quote(failed.batch_id)]
        )
        return format_html('<a href="{}">{}</a>', url, failed.batch_id)

    @admin.display(description="message")
    def message_start(self, failed: FailedRequest) -> str:
        """Show as much of the engine's message as fits."""
        return failed.message[:SHOWN_LETTERS]

    def has_retry_permission(self, request: HttpRequest) -> bool:
        """Whoever may change batches in Django's terms may retry their lines."""
        return may_change_batches(request)

    @admin.action(description="Run the selected lines again", permissions=["retry"])
    def retry(self, request: HttpRequest, rows: QuerySet[FailedRequest]) -> None:
        """Make a new batch for each batch that has one of these lines."""
        chosen: dict[BatchJob, list[str]] = {}
        for failed in rows.select_related("batch__project"):
            chosen.setdefault(failed.batch, []).append(failed.custom_id)
        for batch, custom_ids in chosen.items():
            _retry(self, request, batch, RetryOrder(custom_ids=tuple(custom_ids)))


def _as_json(value: object) -> str:
    if not value:
        return "–"
    text = json.dumps(value, indent=2, ensure_ascii=False)
    return format_html('<pre style="white-space: pre-wrap">{}</pre>', text)


def _outlook(batch: BatchJob) -> Outlook:
    """Return what the list has found out already, or find it now."""
    found = getattr(batch, "outlook", None) or outlook_of(batch)
    return cast(Outlook, found)


def _retry(
    page: ReadOnlyAdmin, request: HttpRequest, batch: BatchJob, order: RetryOrder
) -> None:
    with _told(page, request, batch):
        child = retry(batch, order)
        page.message_user(request, f"{batch.pk}: its lines run again as {child.pk}.")


@contextmanager
def _told(page: ReadOnlyAdmin, request: HttpRequest, batch: BatchJob) -> Iterator[None]:
    """Show a refusal on the page rather than fail."""
    try:
        yield
    except ApiError as refusal:
        text = f"{batch.pk}: {refusal.message}"
        page.message_user(request, text, messages.WARNING)
