"""Where files are written: a folder, or an object store."""

from collections.abc import Iterator
from contextlib import contextmanager

from files.models import batch_storage, new_file_id, path_of
from files.stores.base import NewFile, Store
from files.stores.local import FINAL, UPLOAD, LocalStore

__all__ = ["FINAL", "UPLOAD", "NewFile", "Store", "begin_file", "new_file", "store"]


def store() -> Store:
    """Return the store of `STORAGES["batch"]`: the storage's own, if it has one."""
    storage = batch_storage()
    own = getattr(storage, "store", None)
    return own if isinstance(own, Store) else LocalStore(storage)


def begin_file(prefix: str = FINAL) -> NewFile:
    """Begin a file under a new id; the caller discards it in the end."""
    return store().new_file(path_of(new_file_id()), prefix)


@contextmanager
def new_file() -> Iterator[NewFile]:
    """Begin a file that is gone at the end of the block, unless it was kept."""
    file = begin_file()
    try:
        yield file
    finally:
        file.discard()
