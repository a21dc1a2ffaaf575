"""Try out whether the storage does what the product needs of it, on objects of its own.

The storage is used as it is at work, so rights and addresses are tried as well.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from django.core.files.base import ContentFile

from files.litter import note_known, note_storing
from files.models import batch_storage
from files.stores import NewFile, begin_file

_HEAD = b"head\n"
# So much that a bucket gets it in two parts, and copies most of it by itself.
_BODY = b"0123456789abcde\n" * (13 << 16)


class Finding(NamedTuple):
    """What was tried, and what went wrong: nothing if `fault` is empty."""

    what: str
    fault: str = ""


def examine() -> Iterator[Finding]:
    """Try one thing after the other; leaves nothing behind, if it may delete."""
    first, joined = begin_file(), begin_file()
    try:
        yield _tried("a file is written in parts", lambda: _write(first))
        yield _tried("any part of it is read", lambda: _read_range(first.path))
        yield _tried("nothing is overwritten", lambda: _write_again(first.path))
        yield _tried("it is copied", lambda: _copy(first.path, joined))
        yield _tried("the copy is whole", lambda: _compare(joined.keep()))
        yield _tried("the folder is listed", lambda: batch_storage().listdir("files"))
    finally:
        for file in (first, joined):
            file.discard()
            yield _tried("it is deleted", lambda path=file.path: _delete(path))  # type: ignore[misc]


def _tried(what: str, work: Callable[[], object]) -> Finding:
    try:
        work()
    except (OSError, EOFError) as error:
        cause = error.__cause__ or error
        return Finding(what, str(cause))
    return Finding(what)


def _write(file: NewFile) -> None:
    note_storing(file.path)
    file.write(_BODY)
    file.keep()


def _copy(path: str, file: NewFile) -> None:
    note_storing(file.path)
    file.write(_HEAD)
    file.copy(path, 0, len(_BODY))


def _read_range(path: str) -> None:
    with batch_storage().open(path) as file:
        file.seek(100)
        if file.read(100) != _BODY[100:200]:
            raise OSError("other bytes came back")


def _write_again(path: str) -> None:
    again = batch_storage().save(path, ContentFile(b"other"))
    if again == path:
        raise OSError("If-None-Match: * is ignored")
    batch_storage().delete(again)


def _compare(path: str) -> None:
    with batch_storage().open(path) as file:
        if b"".join(file.chunks()) != _HEAD + _BODY:
            raise OSError("other bytes came back")


def _delete(path: str) -> None:
    batch_storage().delete(path)
    note_known(path)
