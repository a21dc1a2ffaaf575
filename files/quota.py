"""How much a project may have stored: bytes, and files.

A deleted file counts until its bytes are gone: about a minute, or until the last batch
that reads it has ended. Batches' output counts too, but is never refused.
"""

from django.db.models import Count, Sum

from accounts.models import Project
from files.models import File
from vllm_batch.lib.conf import conf
from vllm_batch.lib.errors import QuotaExceeded


def _limits_of(project: Project) -> tuple[int, int]:
    """Return the most bytes and the most files; 0 means no limit."""
    size, number = project.stored_bytes_limit, project.stored_files_limit
    return (
        conf().PROJECT_STORED_BYTES if size is None else size,
        conf().PROJECT_STORED_FILES if number is None else number,
    )


def check(project: Project, extra: int) -> None:
    """Refuse one more file of `extra` bytes early; raises QuotaExceeded.

    An upload's length includes its form, so the last few bytes of a quota can only be
    used by what is smaller than they are.
    """
    most_bytes, most_files = _limits_of(project)
    if not (most_bytes or most_files):
        return
    stored = File.objects.of(project).filter(purged_at=None)
    found = stored.aggregate(number=Count("pk"), size=Sum("bytes"))
    number, size = found["number"], found["size"] or 0
    if most_files and number >= most_files:
        raise QuotaExceeded(
            f"This project has {number} files, and may have {most_files}. Delete some;"
            " they count until their bytes are gone.",
            param="file",
        )
    if most_bytes and size + extra > most_bytes:
        raise QuotaExceeded(
            f"This project has {size} bytes of files, and may have {most_bytes}. This"
            f" upload has {extra}. Delete some files; they count until their bytes are"
            " gone.",
            param="file",
        )


def reserve(project: Project, extra: int) -> None:
    """Check again inside the transaction that saves the file; raises QuotaExceeded.

    The project's row is locked until its end, so that of two uploads that fit only one
    by one the second sees the first.
    """
    if any(_limits_of(project)):
        rows = Project.objects.select_for_update(no_key=True)
        check(rows.get(pk=project.pk), extra)
