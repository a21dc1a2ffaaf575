"""Exports in the background: asked for, made, swept up. The only writer of `state`.

waiting ─▶ running ─▶ ready
▲         │  └───▶ failed ─▶ (asked for again) waiting
└─────────┘ the maker died, or the disk or the database was away
"""

import hashlib
import logging
import os
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import IO

from django.conf import settings
from django.core.files.base import File as DjangoFile
from django.db import transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Now
from django_q.tasks import async_task

from curation.audit.recording import Actor
from curation.datasets.errors import DatasetError, InvalidExamples
from curation.datasets.exporting import Options, Report, find_exporter
from curation.datasets.hashing import BLOCK
from curation.datasets.output import note_export, write_archive
from curation.models import Artifact, DatasetVersion
from curation.models.dataset import ArtifactState
from files.models import batch_storage
from vllm_batch.lib.clock import database_now
from vllm_batch.lib.errors import is_database_away

logger = logging.getLogger(__name__)

TASK = "curation.datasets.tasks.make_artifact"
LEASE_SECONDS = 120
# A version that takes longer than an ops task may is for the command.
MOST_ATTEMPTS = 3


class _Lost(Exception):
    """Somebody else makes the artifact now."""


def request(
    version: DatasetVersion, profile: str, options: Options, by: Actor
) -> Artifact:
    """Ask for an export; one that is ready as asked for is left as it is.

    Raises UnsuitableProfile.
    """
    find_exporter(version, profile)
    with transaction.atomic():
        artifact = _ask(version, profile, options)
        note_export(version, by, profile)
    if artifact.state != ArtifactState.READY:
        async_task(TASK, artifact.pk, cluster="ops")
    return artifact


def _ask(version: DatasetVersion, profile: str, options: Options) -> Artifact:
    artifact, _ = Artifact.objects.get_or_create(
        version=version, profile=profile, defaults={"options": asdict(options)}
    )
    same = artifact.options == asdict(options) and is_there(artifact)
    if artifact.state == ArtifactState.FAILED or (
        artifact.state == ArtifactState.READY and not same
    ):
        Artifact.objects.filter(pk=artifact.pk, state=artifact.state).update(
            state=ArtifactState.WAITING,
            options=asdict(options),
            attempts=0,
            rows=0,
            error="",
        )
        artifact.refresh_from_db()
    return artifact


def is_there(artifact: Artifact) -> bool:
    """Tell whether the artifact's bytes are in the storage."""
    return bool(artifact.path) and batch_storage().exists(artifact.path)


def sweep_artifacts() -> None:
    """Ring again for artifacts that nobody makes; the ops queue's chore."""
    for pk in _unattended().values_list("pk", flat=True)[:100]:
        async_task(TASK, pk, cluster="ops")


def _unattended() -> QuerySet[Artifact]:
    is_free = Q(lease_expires_at=None) | Q(lease_expires_at__lt=database_now())
    states = (ArtifactState.WAITING, ArtifactState.RUNNING)
    return Artifact.objects.filter(is_free, state__in=states)


def make(artifact_id: int) -> None:
    """Make an artifact, unless somebody does or it is made; safe to repeat."""
    artifact = _claim(artifact_id)
    if artifact is None:
        return
    try:
        _make(artifact)
    except _Lost:
        logger.info("artifact %s was taken over", artifact_id)
    except InvalidExamples as error:
        _fail(artifact, str(error), error.report)
    except DatasetError as error:
        _fail(artifact, str(error))
    except Exception as error:  # noqa: BLE001 - the edge: no artifact may stay stuck
        logger.exception("artifact %s could not be made", artifact_id)
        if not isinstance(error, OSError) and not is_database_away(error):
            _fail(artifact, "An internal error; the server's log says more.")


def _claim(artifact_id: int) -> Artifact | None:
    artifact = _unattended().filter(pk=artifact_id).first()
    if artifact is None:
        return None
    if artifact.attempts >= MOST_ATTEMPTS:
        _fail(artifact, f"Broken off {MOST_ATTEMPTS} times. Try `export_dataset`.")
        return None
    attempts = artifact.attempts
    claimed = _unattended().filter(pk=artifact_id, attempts=attempts)
    changed = claimed.update(
        state=ArtifactState.RUNNING,
        attempts=attempts + 1,
        rows=0,
        lease_expires_at=Now() + timedelta(seconds=LEASE_SECONDS),
    )
    artifact.attempts = attempts + 1
    return artifact if changed else None


def _update(artifact: Artifact, **fields: object) -> None:
    """Write to a running artifact; raises _Lost if another try has begun."""
    mine = Artifact.objects.filter(
        pk=artifact.pk, state=ArtifactState.RUNNING, attempts=artifact.attempts
    )
    if not mine.update(**fields):
        raise _Lost


def _fail(artifact: Artifact, why: str, report: object = None) -> None:
    Artifact.objects.filter(
        pk=artifact.pk,
        state__in=(ArtifactState.WAITING, ArtifactState.RUNNING),
        attempts=artifact.attempts,
    ).update(
        state=ArtifactState.FAILED,
        error=why[:500],
        validation=report or {},
        lease_expires_at=None,
    )


def _make(artifact: Artifact) -> None:
    version = DatasetVersion.objects.select_related("dataset__project").get(
        pk=artifact.version_id
    )
    with _temporary() as path:
        report = write_archive(
            version,
            artifact.profile,
            path,
            Options(**artifact.options),
            _Progress(artifact),
        )
        _store(artifact, path, report)


class _Progress:
    """Says how many rows are written, and that somebody is still at it."""

    def __init__(self, artifact: Artifact) -> None:
        self._artifact, self._rows = artifact, 0

    def __call__(self, more: int) -> None:
        self._rows += more
        lease = Now() + timedelta(seconds=LEASE_SECONDS)
        _update(self._artifact, rows=self._rows, lease_expires_at=lease)


@contextmanager
def _temporary() -> Iterator[Path]:
    """Yield a path on the storage's disk; what a crash leaves there is litter."""
    folder = Path(settings.FILE_UPLOAD_TEMP_DIR)
    folder.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix="final-", dir=folder)
    os.close(descriptor)
    try:
        yield Path(name)
    finally:
        Path(name).unlink(missing_ok=True)


class _Finished(DjangoFile):  # type: ignore[type-arg]
    """A file that the storage may move into its place."""

    def __init__(self, stream: IO[bytes], path: Path) -> None:
        super().__init__(stream)
        self._path = path

    def temporary_file_path(self) -> str:
        """Return where it lies."""
        return str(self._path)


def _store(artifact: Artifact, path: Path, report: Report) -> None:
    """Put the archive into the storage, then say that it is ready.

    The row knows the name before the bytes are there, so a crash leaves no litter.
    """
    storage = batch_storage()
    name = f"artifacts/{artifact.version_id}/{uuid.uuid4().hex}.zip"
    if artifact.path:
        storage.delete(artifact.path)
    _update(artifact, path=name)
    digest, size = _digest(path), path.stat().st_size
    with open(path, "rb") as stream:
        stored = storage.save(name, _Finished(stream, path))
    try:
        _update(
            artifact,
            state=ArtifactState.READY,
            path=stored,
            sha256=digest,
            bytes=size,
            rows=report.rows,
            validation=report.as_json(),
            error="",
            lease_expires_at=None,
        )
    except _Lost:
        storage.delete(stored)
        raise


def _digest(path: Path) -> str:
    hasher = hashlib.sha256()
    with open(path, "rb") as stream:
        while block := stream.read(BLOCK):
            hasher.update(block)
    return hasher.hexdigest()
