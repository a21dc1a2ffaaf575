"""The disk's reserve: what nobody may fill, so that what was accepted can be finished.

Databases and results need room on the same disk, so new work is refused before the last
bytes are gone: uploads are answered with 507, and workers pause.
"""

import shutil
from pathlib import Path

from django.conf import settings
from django.core.files.storage import FileSystemStorage

from files.models import batch_storage
from vllm_batch.lib.conf import conf


def free_bytes() -> int | None:
    """Return what is left where files go; None for a storage that is not a disk here.

    Uploads arrive in `FILE_UPLOAD_TEMP_DIR`: of two disks the fuller one counts.
    """
    storage = batch_storage()
    if not isinstance(storage, FileSystemStorage):
        return None
    folders = (Path(storage.location), Path(settings.FILE_UPLOAD_TEMP_DIR))
    return min(shutil.disk_usage(_existing(folder)).free for folder in folders)


def is_reached(extra: int = 0) -> bool:
    """Tell whether `extra` more bytes would touch `DISK_RESERVE_BYTES`."""
    free = free_bytes()
    return free is not None and free - extra < conf().DISK_RESERVE_BYTES


def _existing(folder: Path) -> Path:
    """Return the folder, or the nearest one above it that is there already."""
    folder = folder.absolute()
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return folder
