"""Take a backup while everything runs.

The order keeps the promises: first a moment of the database, then the bytes its rows
name. Bytes are safe before their row is (files/actions.py, batches/segments.py), so
whatever a row of that moment names is there; and stored files never change. They are
linked at once, on the storage's own disk, so that nothing purged later is missed while
a large database is dumped or terabytes are copied.
"""

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from django.conf import settings
from django.core.files.storage import FileSystemStorage
from django.db import connection
from django.utils import timezone

from batches.backups.databases import Moment, moment
from batches.backups.exceptions import BackupRefused
from batches.backups.manifest import Manifest, Stored
from batches.models import Segment
from files.models import File, batch_storage
from vllm_batch.lib.conf import conf

DUMP, CONTENT, SECRET = "database.dump", "batch", "secret_key"
# Folders whose files rows name one by one; of all others everything is taken.
NAMED = ("files", "segments")
STAGE = "backup-"


def take(target: Path) -> Manifest:
    """Make a backup in the folder `target`, which must not exist; raises BackupRefused.

    A folder that appears under its name is complete and synced.
    """
    storage = local_storage()
    if target.exists():
        raise BackupRefused(f"{target} exists already. Name a new folder.")
    target = target.absolute()
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.{uuid.uuid4().hex}.part")
    stage = Path(storage.location) / f"{STAGE}{uuid.uuid4().hex}"
    part.mkdir(mode=0o700)  # it holds keys, and everything clients sent
    try:
        manifest = _fill(part, stage, storage)
        os.sync()
        os.rename(part, target)
        os.sync()
    finally:
        shutil.rmtree(part, ignore_errors=True)
        shutil.rmtree(stage, ignore_errors=True)
    return manifest


def local_storage() -> FileSystemStorage:
    """Return the storage if it is a folder here; raises BackupRefused."""
    storage = batch_storage()
    if not isinstance(storage, FileSystemStorage):
        raise BackupRefused(
            "The files lie in a remote storage: use its own versions or backups, and"
            " pg_dump for the database, in this order."
        )
    return storage


def _fill(part: Path, stage: Path, storage: FileSystemStorage) -> Manifest:
    with moment(part / DUMP) as held:
        taken_at = timezone.now().isoformat()
        stored, gone = _link_all(held, Path(storage.location), stage)
        held.write()
    _move(stage, part / CONTENT)
    secret = conf().DATA_DIR / SECRET
    with suppress(FileNotFoundError):  # SECRET_KEY comes from the environment
        shutil.copyfile(secret, part / SECRET)
    manifest = Manifest(connection.vendor, taken_at, stored, gone)
    manifest.write(part)
    return manifest


def _link_all(
    held: Moment, source: Path, stage: Path
) -> tuple[list[Stored], list[str]]:
    """Link what the moment's rows name, and whatever else is stored."""
    stored, gone = [], []
    stage.mkdir(mode=0o700, parents=True)
    for wanted in _named(held):
        try:
            _link(source / wanted.path, stage / wanted.path)
            stored.append(wanted)
        except FileNotFoundError:
            gone.append(wanted.path)
    for path in _others(source):
        with suppress(FileNotFoundError):
            _link(source / path, stage / path)
            stored.append(Stored(path, (stage / path).stat().st_size))
    return stored, gone


def _named(held: Moment) -> Iterator[Stored]:
    files, segments = File._meta.db_table, Segment._meta.db_table
    questions = (
        f"SELECT path, bytes, sha256 FROM {files} WHERE purged_at IS NULL",  # noqa: S608
        f"SELECT path, bytes, sha256 FROM {segments}",  # noqa: S608
    )
    for question in questions:
        for path, size, sha256 in held.rows(question):
            yield Stored(path, size, sha256)


def _others(source: Path) -> Iterator[str]:
    incoming = Path(settings.FILE_UPLOAD_TEMP_DIR).name
    for folder in sorted(source.iterdir()):
        if folder.name in (*NAMED, incoming) or folder.name.startswith(STAGE):
            continue
        found = [folder] if folder.is_file() else folder.rglob("*")
        for path in found:
            if path.is_file() and not path.name.startswith("."):
                yield str(path.relative_to(source))


def _link(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    os.link(source, target)


def _move(stage: Path, target: Path) -> None:
    """Bring the links under the backup's name: for nothing on the same disk."""
    if stage.stat().st_dev == target.parent.stat().st_dev:
        os.rename(stage, target)
    else:
        shutil.copytree(stage, target)
