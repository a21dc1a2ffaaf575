"""One prompt to judge answers to."""

from typing import Any

from django.db import models
from django.utils import timezone

from accounts.models import Project


class Split(models.TextChoices):
    """What an item is reserved for."""

    TRAIN = "train"
    TEST = "test"
    GOLD = "gold"


class Item(models.Model):
    """A prompt of a project: the same one in several batches is one item.

    `input` is the request's body without what only steers sampling: messages, tools,
    response_format, prompt. `family` names a cluster of near-duplicates.
    """

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="items")
    input: Any = models.JSONField()
    input_hash = models.CharField(max_length=64)
    family = models.CharField(max_length=64, blank=True, default="")
    split_lock = models.CharField(
        max_length=8, choices=Split.choices, blank=True, default=""
    )
    meta: Any = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["project", "input_hash"], name="vllm_curation_one_item"
            )
        ]
        indexes = [
            models.Index(fields=["project", "family"], name="vllm_curation_family")
        ]

    def __str__(self) -> str:
        return f"Item {self.pk}"
