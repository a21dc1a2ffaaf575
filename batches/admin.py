"""Batches in the admin: where each one stands, and a way to cancel it."""

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from batches import actions
from batches.models import BatchJob
from vllm_batch.lib.errors import Conflict
from vllm_batch.lib.read_only import ReadOnlyAdmin


@admin.register(BatchJob)
class BatchAdmin(ReadOnlyAdmin):
    """Batches of all projects, newest first."""

    list_display = ["id", "project", "status", "model", "progress", "created_at"]
    list_filter = ["status", "project", "endpoint"]
    list_select_related = ["project"]
    search_fields = ["id", "input_file_id", "model"]
    actions = ["cancel"]

    @admin.display(description="progress")
    def progress(self, batch: BatchJob) -> str:
        """Show how many lines have a result, and how many of them failed."""
        done = batch.completed + batch.failed
        failed = f", {batch.failed} failed" if batch.failed else ""
        return f"{done} of {batch.total}{failed}"

    def has_cancel_permission(self, request: HttpRequest) -> bool:
        """Whoever may change batches in Django's terms may cancel them."""
        return request.user.has_perm("vllm_batches.change_batchjob")

    @admin.action(description="Cancel the selected batches", permissions=["cancel"])
    def cancel(self, request: HttpRequest, batches: QuerySet[BatchJob]) -> None:
        """Cancel what can be cancelled; what is finished is delivered."""
        for batch in batches:
            try:
                actions.cancel(batch)
            except Conflict as refusal:
                self.message_user(request, f"{batch.pk}: {refusal}", messages.WARNING)
