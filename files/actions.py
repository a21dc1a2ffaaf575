"""What changes files: store, receive, delete."""

import hashlib
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.core.files.base import File as DjangoFile
from django.db import transaction
from django.db.models.functions import Now

from accounts.models import Project
from files import quota
from files.incoming import IncomingFile
from files.litter import note_known, note_storing
from files.metrics import note_upload
from files.models import File, Purpose, batch_storage, new_file_id
from files.parameters import UploadForm
from vllm_batch.lib.clock import database_now
from vllm_batch.lib.conf import conf
from vllm_batch.lib.errors import QuotaExceeded
from vllm_batch.lib.faultpoints import fault


class _LocalFile(DjangoFile):  # type: ignore[type-arg]
    """A finished temporary file that a storage may move instead of copying."""

    def __init__(self, path: Path) -> None:
        super().__init__(None, name=path.name)
        self._path = path

    def temporary_file_path(self) -> str:
        return str(self._path)

    def chunks(self, chunk_size: int | None = None) -> Any:
        with open(self._path, "rb") as file:
            while data := file.read(chunk_size or 1 << 20):
                yield data


def prepare_file(
    project: Project,
    local_path: Path,
    *,
    filename: str,
    purpose: Purpose,
    created_at: datetime,
    expires_at: datetime | None,
    sha256: str = "",
    line_count: int | None = None,
) -> File:
    """Store a finished local file durably and return its row, not yet saved.

    The bytes are safe before the row is, so a row never points at nothing. The caller
    saves the row in a transaction of its own and then calls `note_known`, or else it
    calls `discard`. What a crash leaves in between is litter in a day.
    """
    size = local_path.stat().st_size
    sha256 = sha256 or _digest(local_path)
    file_id = new_file_id()
    name = f"files/{file_id[5:7]}/{file_id}"
    path = _store(name, local_path)
    return File(
        id=file_id,
        project=project,
        filename=filename,
        purpose=purpose,
        path=path,
        bytes=size,
        sha256=sha256,
        line_count=line_count,
        created_at=created_at,
        expires_at=expires_at,
    )


def discard(file: File) -> None:
    """Delete the bytes of a prepared file that gets no row."""
    batch_storage().delete(file.path)
    note_known(file.path)


def _store(name: str, local_path: Path) -> str:
    try:
        note_storing(name)
        return batch_storage().save(name, _LocalFile(local_path))
    except OSError:  # a full disk, say: the storage has kept nothing
        note_known(name)
        raise


def _digest(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def receive(project: Project, form: UploadForm, incoming: IncomingFile) -> File:
    """Keep an upload that has passed its checks."""
    fault("upload.received")
    now = database_now()
    file = prepare_file(
        project,
        incoming.path,
        filename=incoming.name,
        purpose=form.purpose,
        created_at=now,
        expires_at=_expiry(form, now),
        sha256=incoming.sha256,
        line_count=incoming.line_count,
    )
    fault("upload.stored")
    try:
        with transaction.atomic():
            quota.reserve(project, file.bytes)
            file.save(force_insert=True)
    except QuotaExceeded:
        discard(file)
        raise
    fault("upload.saved")
    note_upload(file)
    note_known(file.path)
    return file


def _expiry(form: UploadForm, now: datetime) -> datetime | None:
    """Return the file's end of life (contract 3.6)."""
    seconds = form.expires_seconds
    if seconds is None and form.purpose == Purpose.BATCH:
        seconds = conf().FILE_LIFETIME_SECONDS
    return None if seconds is None else now + timedelta(seconds=seconds)


def delete(file: File) -> None:
    """Delete a file for its owner; its bytes go once no live batch reads them."""
    File.objects.filter(pk=file.pk, deleted_at=None).update(deleted_at=Now())
