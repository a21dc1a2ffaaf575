"""Clear away what broken-off uploads and finalizers left behind.

A file is stored before its row is committed. A crash between the two would leave bytes
that nobody knows, so a note of their name lies in the folder for uploads meanwhile.
"""

import time
from contextlib import suppress
from pathlib import Path, PurePosixPath

from django.conf import settings

from files.models import File, batch_storage

# The prefixes of our own temporary files; the folder may belong to others too.
PREFIXES = ("upload-", "final-")
NOTE_PREFIX = "storing-"
OLD_SECONDS = 86_400


def note_storing(name: str) -> None:
    """Write down that a file of this name is about to be stored, and not yet known."""
    note = _note_of(name)
    note.parent.mkdir(parents=True, exist_ok=True)
    note.write_text(name)


def note_known(name: str) -> None:
    """Forget a note: the file's row is committed, or the file is gone."""
    _note_of(name).unlink(missing_ok=True)


def _note_of(name: str) -> Path:
    folder = Path(settings.FILE_UPLOAD_TEMP_DIR)
    return folder / (NOTE_PREFIX + PurePosixPath(name).name)


def purge_incoming() -> int:
    """Delete what nobody has written to for a day: temporary and unknown files."""
    count = 0
    for path in _old((*PREFIXES, NOTE_PREFIX)):
        with suppress(FileNotFoundError):  # somebody else was faster
            if path.name.startswith(NOTE_PREFIX):
                _purge_unknown(path.read_text())
            path.unlink()
            count += 1
    return count


def _old(prefixes: tuple[str, ...]) -> list[Path]:
    found = []
    limit = time.time() - OLD_SECONDS
    for path in Path(settings.FILE_UPLOAD_TEMP_DIR).glob("*"):
        with suppress(FileNotFoundError):
            if path.name.startswith(prefixes) and path.stat().st_mtime < limit:
                found.append(path)
    return found


def _purge_unknown(name: str) -> None:
    # A note on a full disk is empty: then nothing was stored.
    if name and not File.objects.filter(path=name).exists():
        batch_storage().delete(name)
