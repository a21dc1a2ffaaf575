"""Answers of models, in a table of the shop."""

from django.db import models


class Answer(models.Model):
    """One line's answer."""

    batch_id = models.CharField(max_length=64)
    custom_id = models.CharField(max_length=512)
    text = models.TextField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["batch_id", "custom_id"], name="answers_once"
            )
        ]

    def __str__(self) -> str:
        return self.custom_id
