"""What changes files: store, receive, delete."""

from datetime import datetime, timedelta
from pathlib import PurePosixPath

from django.db import transaction
from django.db.models.functions import Now

from accounts.models import Project
from files import quota
from files.incoming import IncomingFile
from files.litter import note_known, note_storing
from files.metrics import note_upload
from files.models import File, Purpose, batch_storage
from files.parameters import UploadForm
from files.stores import NewFile
from vllm_batch.lib.clock import database_now
from vllm_batch.lib.conf import conf
from vllm_batch.lib.errors import QuotaExceeded, StorageAway
from vllm_batch.lib.faultpoints import fault


def prepare_file(
    project: Project,
    content: NewFile,
    *,
    filename: str,
    purpose: Purpose,
    created_at: datetime,
    expires_at: datetime | None,
    line_count: int | None = None,
) -> File:
    """Keep what was written and return its row, not yet saved.

    The bytes are safe before the row is, so a row never points at nothing. The caller
    saves the row in a transaction of its own and then calls `note_known`, or else it
    calls `discard`. What a crash leaves in between is litter in a day.
    """
    file_id = PurePosixPath(content.path).name
    path = _keep(content)
    return File(
        id=file_id,
        project=project,
        filename=filename,
        purpose=purpose,
        path=path,
        bytes=content.size,
        sha256=content.sha256,
        line_count=line_count,
        created_at=created_at,
        expires_at=expires_at,
    )


def discard(file: File) -> None:
    """Delete the bytes of a prepared file that gets no row."""
    batch_storage().delete(file.path)
    note_known(file.path)


def _keep(content: NewFile) -> str:
    try:
        note_storing(content.path)
        return content.keep()
    except StorageAway:
        raise  # it may have been kept, and only the answer lost: the note stays
    except OSError:  # a full disk, say: nothing was kept
        note_known(content.path)
        raise


def receive(project: Project, form: UploadForm, incoming: IncomingFile) -> File:
    """Keep an upload that has passed its checks."""
    fault("upload.received")
    now = database_now()
    file = prepare_file(
        project,
        incoming.content,
        filename=incoming.name,
        purpose=form.purpose,
        created_at=now,
        expires_at=_expiry(form, now),
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
