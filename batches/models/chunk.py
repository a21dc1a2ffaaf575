"""A contiguous slice of a batch's lines: the unit a worker claims."""

from datetime import datetime

from django.db import models
from django.db.models import F, IntegerField, Q
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Cast, Now


class ChunkQuerySet(models.QuerySet["Chunk"]):
    """Questions about chunks."""

    def leased(self, now: datetime) -> "ChunkQuerySet":
        """Keep the chunks a worker holds."""
        return self.filter(lease_expires_at__gte=now)

    def unfinished(self) -> "ChunkQuerySet":
        """Keep the chunks with a line that has no result yet."""
        return self.filter(is_done=False)

    def claimable(self, now: datetime | Now) -> "ChunkQuerySet":
        """Keep unfinished chunks of runnable batches that no worker holds."""
        return self.unfinished().filter(
            Q(lease_expires_at=None) | Q(lease_expires_at__lt=now),
            _is_let_start(),
            batch__status="in_progress",  # Status lives one module up
            batch__expires_at__gt=now,
            batch__paused_reason="",
        )


def _is_let_start() -> Q:
    """Keep a batch's first lines apart until they are judged (batches/canary.py)."""
    first = Cast(KeyTextTransform("chunks", "batch__canary"), IntegerField())
    is_judged = Q(batch__canary__isnull=True) | ~Q(batch__canary__state="running")
    return is_judged | Q(index__lt=first)


class Chunk(models.Model):
    """Lines `first_line … first_line + span - 1` of a batch's input, for one model.

    `line_count` of them are requests for `model` (the others are blank, or in a mixed
    batch belong to another model's chunk over the same lines). `done` is a bitmap over
    the span, bit i of byte i//8. The holder of the lease with the newest fence is the
    only one who may write; every write names both (design.md §3).
    """

    batch = models.ForeignKey(
        "vllm_batches.BatchJob", on_delete=models.CASCADE, related_name="chunks"
    )
    index = models.PositiveIntegerField()
    model = models.CharField(max_length=255)
    first_line = models.PositiveIntegerField()
    span = models.PositiveIntegerField()
    line_count = models.PositiveIntegerField()
    first_byte = models.BigIntegerField()
    byte_count = models.BigIntegerField()

    lease_owner = models.CharField(max_length=128, blank=True, default="")
    lease_expires_at = models.DateTimeField(null=True)
    fence = models.BigIntegerField(default=0)
    done = models.BinaryField()
    is_done = models.BooleanField(default=False)
    completed = models.PositiveIntegerField(default=0)
    failed = models.PositiveIntegerField(default=0)
    # Poison lines: how often in a row a holder vanished without one new result, the
    # results there were at the last claim, the line that ran alone last, and at how
    # many holders it did.
    crash_count = models.PositiveIntegerField(default=0)
    claimed_results = models.PositiveIntegerField(default=0)
    probed_line = models.PositiveIntegerField(null=True)
    probe_count = models.PositiveIntegerField(default=0)

    objects = ChunkQuerySet.as_manager()

    class Meta:
        ordering = ["batch", "index"]
        constraints = [
            models.UniqueConstraint(
                fields=["batch", "index"], name="vllm_batches_chunk_index"
            ),
            models.CheckConstraint(
                condition=Q(line_count__gte=F("completed") + F("failed")),
                name="vllm_batches_chunk_counts",
            ),
        ]
        indexes = [
            models.Index(
                fields=["model", "batch", "index"],
                condition=Q(is_done=False),
                name="vllm_batches_claimable",
            ),
            # A worker's own, for its heartbeat. Not by the lease's end: that changes
            # all the time, and each change would then touch every index.
            models.Index(
                fields=["lease_owner"],
                condition=~Q(lease_owner=""),
                name="vllm_batches_held",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.batch_id} #{self.index}"
