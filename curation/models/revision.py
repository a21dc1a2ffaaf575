"""A corrected answer."""

from typing import Any

from django.conf import settings
from django.db import models
from django.utils import timezone

from curation.models.candidate import Candidate
from curation.models.item import Item
from curation.models.review import Review


class Revision(models.Model):
    """What a reviewer made of an answer, or wrote from scratch. Append only.

    `edit_ratio` is 0 for the same text and 1 for one that has nothing in common.
    """

    item = models.ForeignKey(Item, on_delete=models.CASCADE, related_name="revisions")
    candidate = models.ForeignKey(
        Candidate, on_delete=models.CASCADE, null=True, related_name="revisions"
    )
    review = models.ForeignKey(
        Review, on_delete=models.SET_NULL, null=True, related_name="revisions"
    )
    parent = models.ForeignKey(
        "self", on_delete=models.SET_NULL, null=True, related_name="+"
    )
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+"
    )
    text = models.TextField()
    text_hash = models.CharField(max_length=64)
    edit_ratio = models.FloatField(default=0)
    tags: Any = models.JSONField(default=list)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["candidate", "author", "text_hash"],
                name="vllm_curation_one_revision",
            )
        ]

    def __str__(self) -> str:
        return f"Revision {self.pk}"
