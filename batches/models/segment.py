"""One durable write of results."""

from django.db import models

from batches.models.chunk import Chunk


class Segment(models.Model):
    """A file with finished records of one chunk, committed under one fence.

    The first `output_bytes` bytes are lines of the output file, the rest lines of the
    error file. A segment file without a row here never counts.
    """

    chunk = models.ForeignKey(Chunk, on_delete=models.CASCADE, related_name="segments")
    fence = models.BigIntegerField()
    sequence = models.PositiveIntegerField()
    path = models.CharField(max_length=255)
    sha256 = models.CharField(max_length=64)
    bytes = models.BigIntegerField()
    output_bytes = models.BigIntegerField()
    line_count = models.PositiveIntegerField()
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["chunk", "fence", "sequence"]
        constraints = [
            models.UniqueConstraint(
                fields=["chunk", "fence", "sequence"], name="vllm_batches_segment_once"
            )
        ]

    def __str__(self) -> str:
        return self.path
