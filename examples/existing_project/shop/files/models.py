"""Papers that the shop keeps."""

from django.conf import settings
from django.db import models


class File(models.Model):
    """A file of the shop; vLLM Batch has a model of this name too."""

    title = models.CharField(max_length=100)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)

    def __str__(self) -> str:
        return self.title
