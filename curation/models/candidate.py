"""One model's answer to an item."""

from typing import Any

from django.db import models
from django.utils import timezone

from curation.models.item import Item


class Candidate(models.Model):
    """An answer with its provenance. Never changed once stored, but for `checks`.

    `batch_id` is no foreign key: answers outlive the batch they came from. Imported
    answers have the import's id there. `output` is the answer's message as it came,
    `text` what a reviewer reads.
    """

    item = models.ForeignKey(Item, on_delete=models.CASCADE, related_name="candidates")
    batch_id = models.CharField(max_length=64)
    line = models.PositiveIntegerField()
    custom_id = models.TextField()
    model = models.CharField(max_length=255)
    model_revision = models.CharField(max_length=255, blank=True, default="")
    parameters: Any = models.JSONField(default=dict)
    parameters_hash = models.CharField(max_length=64)
    manifest: Any = models.JSONField(null=True)
    output: Any = models.JSONField()
    text = models.TextField()
    text_hash = models.CharField(max_length=64)
    finish_reason = models.CharField(max_length=64, blank=True, default="")
    usage: Any = models.JSONField(null=True)
    # From the logprobs, where the request asked for them.
    logprob_mean = models.FloatField(null=True)
    logprob_least_gap = models.FloatField(null=True)
    checks: Any = models.JSONField(default=dict)
    # The answer that this one was asked for again after a correction of the prompt.
    parent = models.ForeignKey(
        "self", on_delete=models.SET_NULL, null=True, related_name="reruns"
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["batch_id", "line"], name="vllm_curation_one_candidate"
            )
        ]
        indexes = [models.Index(fields=["item", "model"], name="vllm_curation_answers")]

    def __str__(self) -> str:
        return f"{self.model} on item {self.item_id}"
