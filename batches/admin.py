"""Batches in the admin: where each one stands, and ways to cancel and to retry it."""

from typing import Any, cast

from django.contrib import admin, messages
from django.contrib.admin.utils import quote
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from unfold.views import ChangeList

from batches import actions
from batches.handlers import admin as handlers_admin  # noqa: F401 - registers its pages
from batches.models import BatchJob, FailedRequest
from batches.orders import RetryOrder
from batches.outlook import Outlook, outlook_of, outlooks
from batches.retry_actions import retry
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
        "created_at",
    ]
    list_filter = ["status", "project", "endpoint"]
    list_select_related = ["project"]
    search_fields = ["id", "input_file_id", "model"]
    readonly_fields = ["progress", "eta", "waiting"]
    actions = ["cancel", "retry", "retry_and_merge"]

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

    def has_cancel_permission(self, request: HttpRequest) -> bool:
        """Whoever may change batches in Django's terms may cancel them."""
        return may_change_batches(request)

    @admin.action(description="Cancel the selected batches", permissions=["cancel"])
    def cancel(self, request: HttpRequest, batches: QuerySet[BatchJob]) -> None:
        """Cancel what can be cancelled; what is finished is delivered."""
        for batch in batches:
            try:
                actions.cancel(batch)
            except ApiError as refusal:
                _tell_refusal(self, request, batch, refusal)

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


def _outlook(batch: BatchJob) -> Outlook:
    """Return what the list has found out already, or find it now."""
    found = getattr(batch, "outlook", None) or outlook_of(batch)
    return cast(Outlook, found)


def _retry(
    page: ReadOnlyAdmin, request: HttpRequest, batch: BatchJob, order: RetryOrder
) -> None:
    try:
        child = retry(batch, order)
    except ApiError as refusal:
        _tell_refusal(page, request, batch, refusal)
    else:
        page.message_user(request, f"{batch.pk}: its lines run again as {child.pk}.")


def _tell_refusal(
    page: ReadOnlyAdmin, request: HttpRequest, batch: BatchJob, refusal: ApiError
) -> None:
    text = f"{batch.pk}: {refusal.message}"
    page.message_user(request, text, messages.WARNING)
