"""What the product asks of `STORAGES["batch"]` beyond Django's own `Storage`.

Django's storage opens, deletes and lists. Two things it leaves open decide whether
results survive: how a file is written before anybody may see it, and what is left of it
after a crash. They are a `Store`; there is one for a folder of this machine
(`local.py`), which serves any Django storage, and one for object stores (`objects.py`).
"""

import hashlib
import io
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import IO, BinaryIO

from files.models import batch_storage

COPY_BYTES = 1 << 20


class NewFile(io.BufferedIOBase, BinaryIO):
    """A file that is being written: nobody sees it until `keep`.

    Whoever made it calls `discard` in the end, after `keep` too.
    """

    def __init__(self, path: str) -> None:
        # Where it is to lie in the storage.
        self.path = path
        self.size = 0
        self._digest: hashlib._Hash | None = hashlib.sha256()

    def writable(self) -> bool:
        """Say that one may write, and nothing else."""
        return True

    def tell(self) -> int:
        """Return how many bytes there are."""
        return self.size

    def write(self, data: bytes) -> int:  # type: ignore[override]
        """Take the next bytes; raises OSError."""
        self.take(data)
        self.size += len(data)
        if self._digest is not None:
            self._digest.update(data)
        return len(data)

    @property
    def sha256(self) -> str:
        """The content's SHA-256 in hexadecimal digits; empty if it was not all seen."""
        return self._digest.hexdigest() if self._digest else ""

    def copies(self, count: int) -> bool:
        """Tell whether the store itself would copy so many bytes with `copy`."""
        return False

    def copy(self, path: str, start: int, count: int) -> None:
        """Take a part of a stored file next; raises OSError, EOFError if it is short.

        Where the store copies by itself, no byte of it passes through here.
        """
        if not count:
            return
        with batch_storage().open(path) as source:
            source.seek(start)
            while count:
                block = source.read(min(count, COPY_BYTES))
                if not block:
                    raise EOFError(f"{path} is {count} bytes short")
                self.write(block)
                count -= len(block)

    @abstractmethod
    def take(self, data: bytes) -> None:
        """Put the next bytes where they are held until `keep`."""

    @abstractmethod
    def keep(self) -> str:
        """Make the file durable, then visible; return its path. Never overwrites.

        Raises OSError, and then nothing was kept.
        """

    @abstractmethod
    def reopen(self) -> IO[bytes]:
        """Read what was written, instead of keeping it; no more may be written."""

    @abstractmethod
    def discard(self) -> None:
        """Remove what is left of it, unless it was kept. Raises nothing."""


class Store(ABC):
    """Where files are written; `files.stores.store()` returns the one in use."""

    @abstractmethod
    def new_file(self, path: str, prefix: str) -> NewFile:
        """Begin a file; `prefix` names temporary files, for who looks at them."""

    @abstractmethod
    def note(self, path: str) -> None:
        """Write down that a file is about to be kept that no row knows yet."""

    @abstractmethod
    def forget(self, path: str) -> None:
        """Drop the note: the file's row is committed, or the file is gone."""

    @abstractmethod
    def sweep(self, seconds: float, is_known: Callable[[str], bool]) -> int:
        """Remove what nobody has written to for so long; return how many pieces.

        That is unfinished files, and what a note names that `is_known` does not know.
        """

    @abstractmethod
    def free_bytes(self) -> int | None:
        """Return how much room there is; None if the store has no end we know of."""

    @abstractmethod
    def trouble(self) -> str:
        """Return why results could not be stored just now; empty if they can."""

    @abstractmethod
    def vouches(self, path: str, size: int, sha256: str) -> bool:
        """Tell whether the store itself answers for a file's being what was written.

        If not, who copies it has to read it. Raises FileNotFoundError.
        """

    @abstractmethod
    def link(self, path: str, filename: str, content_type: str) -> str:
        """Return an address where a client gets the file itself; empty if none."""
