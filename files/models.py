"""Files: what clients uploaded and what batches produced."""

from datetime import datetime

from django.core.files.storage import Storage, storages
from django.db import models
from django.db.models import Q

from accounts.models import Project
from vllm_batch.lib.ids import new_id

UPLOAD_PURPOSES = ("fine-tune", "assistants", "batch", "user_data", "vision", "evals")


def new_file_id() -> str:
    """Return a new file's id (contract 1.6: the prefix is part of the contract)."""
    return new_id("file-")


def path_of(file_id: str) -> str:
    """Return where a file's bytes lie: a client's words are no part of it."""
    return f"files/{file_id[5:7]}/{file_id}"


def batch_storage() -> Storage:
    """Return where file contents and result segments are kept."""
    return storages["batch"]


class Purpose(models.TextChoices):
    """What a file is for, in OpenAI's words (contract 3.1)."""

    FINE_TUNE = "fine-tune"
    ASSISTANTS = "assistants"
    BATCH = "batch"
    BATCH_OUTPUT = "batch_output"
    USER_DATA = "user_data"
    VISION = "vision"
    EVALS = "evals"


class FileQuerySet(models.QuerySet["File"]):
    """Questions about files."""

    def of(self, project: Project) -> "FileQuerySet":
        """Keep one project's files."""
        return self.filter(project=project)

    def visible(self, now: datetime) -> "FileQuerySet":
        """Keep the files a client may see: neither deleted nor expired."""
        return self.filter(deleted_at=None).filter(
            Q(expires_at=None) | Q(expires_at__gt=now)
        )

    def gone(self, now: datetime) -> "FileQuerySet":
        """Keep deleted or expired files whose bytes are still stored."""
        return self.filter(purged_at=None).filter(
            Q(deleted_at__isnull=False) | Q(expires_at__lte=now)
        )


class File(models.Model):
    """A file's facts; its bytes lie in `batch_storage()` under `path`.

    A deleted file keeps its row, so that lists can be paged past it (contract 4).
    """

    id = models.CharField(primary_key=True, max_length=64, default=new_file_id)
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="files")
    filename = models.CharField(max_length=255)
    purpose = models.CharField(max_length=32, choices=Purpose.choices)
    path = models.CharField(max_length=255, unique=True)
    bytes = models.BigIntegerField()
    sha256 = models.CharField(max_length=64)
    line_count = models.BigIntegerField(null=True)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True)
    deleted_at = models.DateTimeField(null=True)
    purged_at = models.DateTimeField(null=True)

    objects = FileQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-id"]
        indexes = [
            models.Index(
                fields=["project", "-created_at", "-id"],
                condition=Q(deleted_at=None),
                name="vllm_files_listed",
            ),
            models.Index(
                fields=["expires_at"],
                condition=Q(purged_at=None),
                name="vllm_files_to_purge",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.filename} ({self.id})"
