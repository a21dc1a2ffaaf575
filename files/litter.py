"""Clear away what broken-off uploads and finalizers left behind.

A file is stored before its row is committed. A crash between the two would leave bytes
that nobody knows, so the store keeps a note of their name meanwhile.
"""

from files.models import File
from files.stores import store

OLD_SECONDS = 86_400


def note_storing(path: str) -> None:
    """Write down that a file of this name is about to be stored, and not yet known."""
    store().note(path)


def note_known(path: str) -> None:
    """Forget a note: the file's row is committed, or the file is gone."""
    store().forget(path)


def purge_incoming() -> int:
    """Delete what nobody has written to for a day: unfinished and unknown files."""
    return store().sweep(OLD_SECONDS, _has_row)


def _has_row(path: str) -> bool:
    return File.objects.filter(path=path).exists()
