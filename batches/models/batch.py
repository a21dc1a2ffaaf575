"""The batch: what the client asked for and how far it got."""

from datetime import datetime

from django.db import models
from django.db.models import Exists, F, OuterRef, Q
from django.db.models.functions import Now

from accounts.models import Project
from batches.models.chunk import Chunk
from vllm_batch.lib.ids import new_id
from vllm_batch.lib.logs import current_request_id


def new_batch_id() -> str:
    """Return a new batch's id (contract 1.6)."""
    return new_id("batch_")


class Status(models.TextChoices):
    """The eight statuses of OpenAI's Batch object (contract 8.2)."""

    VALIDATING = "validating"
    FAILED = "failed"
    IN_PROGRESS = "in_progress"
    FINALIZING = "finalizing"
    COMPLETED = "completed"
    EXPIRED = "expired"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"


TERMINAL = (Status.FAILED, Status.COMPLETED, Status.EXPIRED, Status.CANCELLED)


class BatchQuerySet(models.QuerySet["BatchJob"]):
    """Questions about batches."""

    def of(self, project: Project) -> "BatchQuerySet":
        """Keep one project's batches."""
        return self.filter(project=project)

    def live(self) -> "BatchQuerySet":
        """Keep the batches that may still change."""
        return self.exclude(status__in=TERMINAL)

    def ended_before(
        self, moment: datetime, *, failed: datetime | None = None
    ) -> "BatchQuerySet":
        """Keep the batches that ended before `moment`, or failed before `failed`."""
        return self.filter(
            Q(completed_at__lt=moment)
            | Q(failed_at__lt=failed or moment)
            | Q(expired_at__lt=moment)
            | Q(cancelled_at__lt=moment)
        )

    def runnable(self, now: datetime | Now) -> "BatchQuerySet":
        """Keep the batches whose lines may be started."""
        return self.filter(
            status=Status.IN_PROGRESS, expires_at__gt=now, paused_reason=""
        )

    def unattended(self, now: datetime) -> "BatchQuerySet":
        """Keep the batches that no ops task holds at the moment."""
        return self.filter(
            Q(ops_lease_expires_at=None) | Q(ops_lease_expires_at__lt=now)
        )

    def needing_ops(self, now: datetime) -> "BatchQuerySet":
        """Keep the batches that wait for an ops task: to validate or to finalize.

        A cancelled or expired batch waits until no worker holds one of its chunks.
        """
        held = Chunk.objects.filter(batch=OuterRef("pk")).leased(now)
        ended = Q(status=Status.CANCELLING) | Q(
            status=Status.IN_PROGRESS, expires_at__lte=now
        )
        return self.filter(
            Q(status=Status.VALIDATING)
            | Q(status=Status.FINALIZING)
            | Q(ended & ~Exists(held))
        )


class BatchJob(models.Model):
    """A Batch object of the API, with what the system needs to run it."""

    id = models.CharField(primary_key=True, max_length=64, default=new_batch_id)
    project = models.ForeignKey(
        Project, on_delete=models.CASCADE, related_name="batches"
    )
    endpoint = models.CharField(max_length=64)
    # Not foreign keys: an id stays on the batch after its file is gone, and an input
    # that never existed is reported by the batch itself (contract 5.3, R33).
    input_file_id = models.CharField(max_length=128)
    output_file_id = models.CharField(max_length=64, null=True)
    error_file_id = models.CharField(max_length=64, null=True)
    completion_window = models.CharField(max_length=16)
    metadata = models.JSONField(null=True)
    output_expires_seconds = models.PositiveIntegerField(null=True)
    idempotency_key = models.CharField(max_length=255, null=True)
    request_digest = models.CharField(max_length=64)
    # Of the HTTP request that made it: the worker's log and the engine call have it.
    request_id = models.CharField(
        max_length=64, default=current_request_id, db_default=""
    )

    status = models.CharField(
        max_length=16, choices=Status.choices, default=Status.VALIDATING
    )
    model = models.CharField(max_length=255, null=True)
    is_mixed = models.BooleanField(default=False)
    errors = models.JSONField(null=True)
    # The batch whose failed lines this one runs again, and whether its files are to
    # hold the parent's other results too.
    parent = models.ForeignKey(
        "self", on_delete=models.SET_NULL, null=True, related_name="retries"
    )
    is_merged = models.BooleanField(default=False)
    priority = models.IntegerField(default=0)
    paused_reason = models.CharField(max_length=255, blank=True, default="")
    paused_at = models.DateTimeField(null=True)
    # A dry run is validated and looked at, and never run; `preflight` is what was seen.
    is_dry_run = models.BooleanField(default=False)
    preflight = models.JSONField(null=True)
    # What the first lines have to be like before the rest runs: batches/canary.py.
    canary = models.JSONField(null=True)
    # What it ran with, and what it is to run with if it repeats another batch.
    manifest = models.JSONField(null=True)
    pinned_manifest = models.JSONField(null=True)
    # Counted against the project's quota until the batch ends.
    enqueued_tokens = models.BigIntegerField(default=0)
    ops_lease_expires_at = models.DateTimeField(null=True)

    total = models.PositiveIntegerField(default=0)
    completed = models.PositiveIntegerField(default=0)
    failed = models.PositiveIntegerField(default=0)
    # Outcomes of their own among the completed: answers that hit the token limit, and
    # answers that are not in the form the request asked for.
    cut_off = models.PositiveIntegerField(default=0)
    invalid_output = models.PositiveIntegerField(default=0)
    # Lines that got the answer of an equal line of the batch without running.
    folded = models.PositiveIntegerField(default=0)
    # The last milestone that webhooks were told of, in percent; 0 for none.
    milestone = models.PositiveSmallIntegerField(default=0, db_default=0)
    input_tokens = models.BigIntegerField(default=0)
    cached_tokens = models.BigIntegerField(default=0)
    output_tokens = models.BigIntegerField(default=0)
    reasoning_tokens = models.BigIntegerField(default=0)

    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    in_progress_at = models.DateTimeField(null=True)
    first_result_at = models.DateTimeField(null=True)
    finalizing_at = models.DateTimeField(null=True)
    completed_at = models.DateTimeField(null=True)
    failed_at = models.DateTimeField(null=True)
    expired_at = models.DateTimeField(null=True)
    cancelling_at = models.DateTimeField(null=True)
    cancelled_at = models.DateTimeField(null=True)

    objects = BatchQuerySet.as_manager()

    class Meta:
        verbose_name = "batch"
        verbose_name_plural = "batches"
        ordering = ["-created_at", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["project", "idempotency_key"],
                name="vllm_batches_idempotency_key",
            ),
            models.CheckConstraint(
                condition=Q(total__gte=F("completed") + F("failed")),
                name="vllm_batches_counts_within_total",
            ),
        ]
        indexes = [
            models.Index(
                fields=["project", "-created_at", "-id"], name="vllm_batches_listed"
            ),
            models.Index(
                fields=["status", "expires_at"],
                condition=~Q(status__in=TERMINAL),
                name="vllm_batches_live",
            ),
            # The order in which workers take them.
            models.Index(
                fields=["-priority", "expires_at", "-created_at", "-id"],
                condition=Q(status=Status.IN_PROGRESS),
                name="vllm_batches_next",
            ),
        ]

    def __str__(self) -> str:
        return self.id

    @property
    def is_terminal(self) -> bool:
        """Tell whether the status is final."""
        return self.status in TERMINAL
