"""A store in a folder of this machine; it serves any Django storage.

New files are written to `FILE_UPLOAD_TEMP_DIR`, which lies on the storage's disk, so
that a storage that can moves them into their place.
"""

import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path, PurePosixPath
from tempfile import NamedTemporaryFile
from typing import IO, Any

from django.conf import settings
from django.core.files.base import File as DjangoFile
from django.core.files.storage import FileSystemStorage, Storage

from files.stores.base import NewFile, Store

# The prefixes of our own temporary files; the folder may belong to others too.
UPLOAD, FINAL = PREFIXES = ("upload-", "final-")
NOTE_PREFIX = "storing-"


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


class LocalNewFile(NewFile):
    """A temporary file beside the storage."""

    def __init__(self, storage: Storage, path: str, prefix: str) -> None:
        super().__init__(path)
        self._storage = storage
        folder = _folder()
        folder.mkdir(parents=True, exist_ok=True)
        self.file = NamedTemporaryFile(  # noqa: SIM115 - closed by `discard`
            dir=folder, prefix=prefix, delete=False
        )
        self.local_path = Path(self.file.name)

    def take(self, data: bytes) -> None:
        """Append to the temporary file."""
        self.file.write(data)

    def keep(self) -> str:
        """Let the storage take the temporary file."""
        self.file.close()
        return self._storage.save(self.path, _LocalFile(self.local_path))

    def reopen(self) -> IO[bytes]:
        """Open the temporary file."""
        self.file.close()
        return self.local_path.open("rb")

    def discard(self) -> None:
        """Remove the temporary file, unless it was moved into the storage."""
        with suppress(OSError):  # a full disk: the rest cannot be written
            self.file.close()
        self.local_path.unlink(missing_ok=True)


class LocalStore(Store):
    """Writes beside the storage."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def new_file(self, path: str, prefix: str) -> NewFile:
        """Begin a temporary file."""
        return LocalNewFile(self._storage, path, prefix)

    def note(self, path: str) -> None:
        """Put the path into a small file beside the temporary ones."""
        note = _note_of(path)
        note.parent.mkdir(parents=True, exist_ok=True)
        note.write_text(path)

    def forget(self, path: str) -> None:
        """Remove the small file."""
        _note_of(path).unlink(missing_ok=True)

    def sweep(self, seconds: float, is_known: Callable[[str], bool]) -> int:
        """Remove old temporary files, and what old notes name."""
        count = 0
        for path in _old((*PREFIXES, NOTE_PREFIX), seconds):
            with suppress(FileNotFoundError):  # somebody else was faster
                if path.name.startswith(NOTE_PREFIX):
                    self._drop_unknown(path.read_text(), is_known)
                path.unlink()
                count += 1
        return count

    def _drop_unknown(self, path: str, is_known: Callable[[str], bool]) -> None:
        # A note on a full disk is empty: then nothing was stored.
        if path and not is_known(path):
            self._storage.delete(path)

    def free_bytes(self) -> int | None:
        """Ask the disk; uploads arrive beside the storage: the fuller disk counts."""
        if not isinstance(self._storage, FileSystemStorage):
            return None
        folders = (Path(self._storage.location), _folder())
        return min(shutil.disk_usage(_existing(folder)).free for folder in folders)

    def trouble(self) -> str:
        """Return nothing: what a disk has no room for is seen by `free_bytes`."""
        return ""

    def vouches(self, path: str, size: int, sha256: str) -> bool:
        """Answer for nothing: disks damage files, so who copies one reads it."""
        return False

    def link(self, path: str, filename: str, content_type: str) -> str:
        """Return nothing: clients reach no folder."""
        return ""


def sweep_folder(seconds: float) -> int:
    """Remove old temporary files of this machine; return how many."""
    found = _old(PREFIXES, seconds)
    for path in found:
        path.unlink(missing_ok=True)
    return len(found)


def _folder() -> Path:
    return Path(settings.FILE_UPLOAD_TEMP_DIR)


def _note_of(path: str) -> Path:
    return _folder() / (NOTE_PREFIX + PurePosixPath(path).name)


def _old(prefixes: tuple[str, ...], seconds: float) -> list[Path]:
    found = []
    limit = time.time() - seconds
    for path in _folder().glob("*"):
        with suppress(FileNotFoundError):
            if path.name.startswith(prefixes) and path.stat().st_mtime < limit:
                found.append(path)
    return found


def _existing(folder: Path) -> Path:
    """Return the folder, or the nearest one above it that is there already."""
    folder = folder.absolute()
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return folder
