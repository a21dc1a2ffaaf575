"""Free storage: files whose time is up, and bytes that no row knows."""

from contextlib import suppress
from datetime import timedelta

from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Now

from batches.models import BatchJob, Segment
from batches.segments import KEEP_ENDED
from files.models import File, batch_storage
from vllm_batch.lib.clock import database_now

FOLDER = "segments"


def purge_files() -> int:
    """Delete the bytes of deleted and expired files that no live batch still reads.

    It reads its input, and what it is to be merged with.
    """
    live = BatchJob.objects.live()
    merging = live.filter(is_merged=True)
    is_read = Exists(live.filter(input_file_id=OuterRef("pk"))) | Exists(
        merging.filter(
            Q(parent__output_file_id=OuterRef("pk"))
            | Q(parent__error_file_id=OuterRef("pk"))
        )
    )
    gone = File.objects.gone(database_now()).exclude(is_read)[:1000]
    for file in gone:
        batch_storage().delete(file.path)
        File.objects.filter(pk=file.pk).update(purged_at=Now())
    return len(gone)


def purge_litter(keep: timedelta = KEEP_ENDED) -> int:
    """Delete segment files of ended batches that have no row: they never counted.

    A crash between a file's rename and its COMMIT leaves one, a fenced worker another.
    """
    count = 0
    for batch_id in _folders():
        batch = BatchJob.objects.filter(pk=batch_id)
        ended = batch.ended_before(database_now() - keep)
        if ended.exists() or not batch.exists():
            count += _purge_folder(batch_id)
    return count


def _folders() -> list[str]:
    try:
        return batch_storage().listdir(FOLDER)[0]
    except FileNotFoundError:  # no batch has run yet
        return []


def _purge_folder(batch_id: str) -> int:
    folder = f"{FOLDER}/{batch_id}"
    rows = Segment.objects.filter(chunk__batch=batch_id)
    known = set(rows.values_list("path", flat=True))
    names = batch_storage().listdir(folder)[1]
    litter = [name for name in names if f"{folder}/{name}" not in known]
    for name in litter:
        batch_storage().delete(f"{folder}/{name}")
    if not known:
        with suppress(OSError):  # a late worker may fill it again
            batch_storage().delete(folder)
    return len(litter)
