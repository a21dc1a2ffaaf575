"""Bring a backup back into an empty installation: files first, then the database.

So a row never names bytes that are not there, and a restore that breaks off leaves no
database that looks complete.
"""

import hashlib
import os
import shutil
from pathlib import Path

from django.apps import apps
from django.core.exceptions import SuspiciousFileOperation
from django.core.files.storage import FileSystemStorage
from django.db import connection
from django.db.models.functions import Coalesce, Now

from batches.backups import databases
from batches.backups.exceptions import BackupRefused
from batches.backups.manifest import Manifest, Stored
from batches.backups.taking import CONTENT, DUMP, NAMED, SECRET, local_storage
from files.models import File
from vllm_batch.lib.conf import conf

SHOWN = 5


def restore(folder: Path) -> Manifest:
    """Restore the backup in `folder`; raises BackupRefused before anything is changed.

    Chunks' leases in it have run out, so workers go on with what was open then.
    """
    manifest = Manifest.read(folder)
    storage = local_storage()
    _refuse_foreign(manifest)
    _refuse_full(storage)
    _refuse_damaged(folder, manifest)
    for stored in manifest.stored:
        _place(folder / CONTENT / stored.path, _target(storage, stored))
    if (folder / SECRET).exists():
        _place_secret(folder / SECRET)
    os.sync()
    databases.load(folder / DUMP)
    _note_gone(manifest.gone)
    _free_gpus()
    os.sync()
    return manifest


def _refuse_foreign(manifest: Manifest) -> None:
    if manifest.database != connection.vendor:
        raise BackupRefused(
            f"This is a backup of {manifest.database}, and DATABASE_URL leads to"
            f" {connection.vendor}."
        )


def _refuse_full(storage: FileSystemStorage) -> None:
    if not databases.is_empty():
        raise BackupRefused(
            "The database has tables already. Restore into a new, empty one: nothing"
            " is overwritten."
        )
    for name in NAMED:
        folder = Path(storage.location) / name
        if folder.exists() and any(folder.rglob("*")):
            raise BackupRefused(
                f"{folder} is not empty. Move it away, or set another DATA_DIR."
            )


def _refuse_damaged(folder: Path, manifest: Manifest) -> None:
    """Compare every file with its size and its row's hash."""
    if not (folder / DUMP).is_file():
        raise BackupRefused(f"{folder / DUMP} is missing.")
    storage = local_storage()
    for stored in manifest.stored:
        _target(storage, stored)
    damaged = [s.path for s in manifest.stored if not _is_whole(folder, s)]
    if damaged:
        shown = ", ".join(damaged[:SHOWN])
        raise BackupRefused(f"{len(damaged)} files are lost or damaged: {shown} …")


def _is_whole(folder: Path, stored: Stored) -> bool:
    try:
        with open(folder / CONTENT / stored.path, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            size = file.tell()
    except OSError:
        return False
    return size == stored.bytes and stored.sha256 in ("", digest)


def _target(storage: FileSystemStorage, stored: Stored) -> Path:
    """Return where a file goes; its name comes from outside."""
    try:
        return Path(storage.path(stored.path))
    except SuspiciousFileOperation as error:
        raise BackupRefused(f"'{stored.path}' leads out of the storage.") from error


def _place(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    # Copied, not linked: the backup stays whole whatever happens to the installation.
    part = target.with_name(f".{target.name}.part")
    shutil.copyfile(source, part)
    part.chmod(0o600)
    os.replace(part, target)


def _place_secret(source: Path) -> None:
    target = conf().DATA_DIR / SECRET
    _place(source, target)


def _note_gone(paths: list[str]) -> None:
    """Say of files whose owners deleted them in the backup's moment that they are."""
    for path in paths:
        File.objects.filter(path=path).update(
            deleted_at=Coalesce("deleted_at", Now()), purged_at=Now()
        )


def _free_gpus() -> None:
    """Let workers start at once: whoever held a GPU in that moment is gone."""
    # By its name, because imports point up only.
    apps.get_model("vllm_workers", "GpuLease").objects.all().delete()
