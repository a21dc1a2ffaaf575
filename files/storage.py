"""File storage that keeps its promise: what was saved survives a power cut.

Order (reliability §2.5): write beside the target → fsync the file → link it under its
name → fsync the folder. A reader never sees half a file, and no file is overwritten.
"""

import os
import uuid
from pathlib import Path
from typing import Any

from django.core.files.base import File as DjangoFile
from django.core.files.storage import FileSystemStorage

from vllm_batch.lib.faultpoints import fault


class DurableFileSystemStorage(FileSystemStorage):
    """Django's file system storage with fsync before a name appears."""

    def _save(self, name: str, content: "DjangoFile[bytes]") -> str:
        target = Path(self.path(name))
        target.parent.mkdir(parents=True, exist_ok=True)
        source = _local_path(content)
        if source is None or not _is_same_disk(source, target.parent):
            source = target.with_name(f".{uuid.uuid4().hex}.part")
        try:
            self._settle(content, source, target)
        except OSError:
            if source != _local_path(content):  # our own copy, on a full disk say
                source.unlink(missing_ok=True)
            raise
        return name

    @staticmethod
    def _settle(content: "DjangoFile[bytes]", source: Path, target: Path) -> None:
        """Write and fsync the source, unless it is there, and give it its name."""
        if source != _local_path(content):
            with open(source, "wb") as file:
                for chunk in content.chunks():
                    file.write(chunk)
        _fsync(source)
        # A link, because a rename would overwrite a file of that name.
        os.link(source, target)
        fault("file.linked")
        os.unlink(source)
        try:
            _fsync(target.parent)
        except OSError:
            target.unlink(missing_ok=True)
            raise


def _local_path(content: "DjangoFile[bytes]") -> Path | None:
    """Return where the content already lies as a temporary file, if it does."""
    find: Any = getattr(content, "temporary_file_path", None)
    return Path(find()) if find else None


def _is_same_disk(source: Path, folder: Path) -> bool:
    return source.stat().st_dev == folder.stat().st_dev


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
