"""The dead letters: lines that were run and failed."""

from django.db import models

from batches.models.batch import BatchJob


class Cause(models.TextChoices):
    """Why a line failed; the first two may pass when it is run again."""

    RATE_LIMIT = "rate_limit"  # the engine kept answering 429
    SERVER_ERROR = "server_error"  # it kept answering 5xx
    CONNECTION = "connection"  # it gave no answer, again and again
    INVALID_REQUEST = "invalid_request"  # another 4xx: the line's own fault
    ENGINE_CRASH = "engine_crash"  # the line killed the engine


class FailedRequest(models.Model):
    """One failed line; written in the transaction that commits its error record."""

    batch = models.ForeignKey(
        BatchJob, on_delete=models.CASCADE, related_name="failed_requests"
    )
    line = models.PositiveIntegerField(help_text="In the input file, from 1.")
    custom_id = models.TextField()
    # Not `choices` in the database's eyes: a new cause needs no migration.
    cause = models.CharField(max_length=32)
    status = models.PositiveSmallIntegerField(
        help_text="The engine's last HTTP status."
    )
    attempts = models.PositiveIntegerField(default=1)
    message = models.TextField(blank=True)
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["batch", "line"]
        constraints = [
            models.UniqueConstraint(
                fields=["batch", "line"], name="vllm_batches_failed_once"
            )
        ]
        indexes = [
            models.Index(fields=["batch", "cause"], name="vllm_batches_failed_cause")
        ]

    def __str__(self) -> str:
        return f"{self.batch_id} line {self.line}: {self.cause}"
