"""Write an export: to a path, or into an archive for download."""

import io
import os
import shutil
import uuid
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from django.db import transaction

from curation.audit.recording import SHELL, Actor, record
from curation.datasets.errors import DatasetError
from curation.datasets.exporting import (
    Options,
    Progress,
    Report,
    as_document,
    check,
    check_gates,
    find_exporter,
    sidecar,
    writable,
)
from curation.datasets.naming import name_of
from curation.exporters.base import Exporter
from curation.models import DatasetVersion
from curation.models.audit_event import Action
from curation.models.item import Split

SIDECAR = "provenance.jsonl"
REPORT = "report.json"
# So that the same version gives the same archive.
_NO_DATE = (1980, 1, 1, 0, 0, 0)


def write_path(
    version: DatasetVersion,
    profile: str,
    path: Path,
    options: Options,
    split: str = Split.TRAIN,
) -> Report:
    """Write one split to a file, or a folder's splits, with the provenance beside it.

    The name appears when everything is written. Raises DatasetError and OSError.
    """
    exporter = find_exporter(version, profile)
    if path.exists() and (exporter.is_folder or path.is_dir()):
        raise DatasetError(f"{path} is there already. Name another path.")
    check_gates(version)
    if exporter.is_folder:
        return _write_folder(version, exporter, path, options)
    report = check(version, exporter, [split], options)
    note_export(version, SHELL, profile)
    with _replacing(path) as stream:
        exporter.export(writable(version, exporter, split), stream)
    with _replacing(path.with_name(f"{path.name}.{SIDECAR}")) as stream:
        stream.writelines(sidecar(version, exporter, [split]))
    return report


def note_export(version: DatasetVersion, by: Actor, profile: str) -> None:
    """Write down that somebody takes a version out, before anything is written."""
    with transaction.atomic():
        project_id = version.dataset.project_id
        record(Action.EXPORTED, by, version, project_id=project_id, detail=profile)


def _write_folder(
    version: DatasetVersion, exporter: Exporter, path: Path, options: Options
) -> Report:
    splits = list(exporter.facts.splits)
    report = check(version, exporter, splits, options)
    note_export(version, SHELL, exporter.name)
    folder = path.with_name(f".{path.name}.{uuid.uuid4().hex}.part")
    try:
        for place, blocks in _small_files(version, exporter, splits, report):
            with _replacing(folder / place) as stream:
                stream.writelines(blocks)
        for split in splits:
            with _replacing(folder / exporter.place_of(split)) as stream:
                exporter.export(writable(version, exporter, split), stream)
        folder.rename(path)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return report


@contextmanager
def _replacing(path: Path) -> Iterator[IO[bytes]]:
    """Open a file that gets its name once it is whole and on the disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex}.part")
    try:
        with open(part, "wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _small_files(
    version: DatasetVersion, exporter: Exporter, splits: list[str], report: Report
) -> Iterator[tuple[str, Iterable[bytes]]]:
    for place, content in exporter.companions().items():
        yield place, [content]
    yield SIDECAR, sidecar(version, exporter, splits)
    facts: dict[str, Any] = {
        "dataset": name_of(version),
        "manifest_sha256": version.manifest_sha256,
        "profile": exporter.name,
        "filter": version.filter,
        "validation": report.as_json(),
    }
    yield REPORT, [as_document(facts)]


class _Counted(io.RawIOBase):
    """A member of an archive that can tell how much was written to it."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream, self._written = stream, 0

    def writable(self) -> bool:
        return True

    def write(self, block: Any) -> int:
        count = self._stream.write(block)
        self._written += count
        return count

    def tell(self) -> int:
        return self._written


def write_archive(
    version: DatasetVersion,
    profile: str,
    path: Path,
    options: Options,
    progress: Progress,
) -> Report:
    """Write train and test with report and provenance into a ZIP file.

    Raises DatasetError and OSError.
    """
    exporter = find_exporter(version, profile)
    splits = list(exporter.facts.splits)
    check_gates(version)
    report = check(version, exporter, splits, options)
    with zipfile.ZipFile(path, "w") as archive:
        for split in splits:
            with _entry(archive, exporter.place_of(split)) as stream:
                exporter.export(writable(version, exporter, split, progress), stream)
        for place, blocks in _small_files(version, exporter, splits, report):
            with _entry(archive, place) as stream:
                stream.writelines(blocks)
    return report


@contextmanager
def _entry(archive: zipfile.ZipFile, place: str) -> Iterator[IO[bytes]]:
    info = zipfile.ZipInfo(place, _NO_DATE)
    info.compress_type = zipfile.ZIP_DEFLATED
    info.external_attr = 0o644 << 16
    with archive.open(info, "w", force_zip64=True) as stream:
        yield _Counted(stream)  # type: ignore[misc]
