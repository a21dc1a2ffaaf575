"""Read a stored object piece by piece, as if it were a local file."""

import io
import time
from typing import TYPE_CHECKING, Any

from django.core.files.base import File

from vllm_batch.lib.errors import StorageAway

if TYPE_CHECKING:
    from files.stores.s3 import ObjectStorage

# The first request takes little, because the reader may want another place; while it
# reads on, each one takes four times as much. The bytes are not held: they stream.
FIRST_BYTES, MOST_BYTES = 1 << 16, 1 << 23
BUFFER_BYTES = 1 << 16
TRIES, PAUSE_SECONDS = 4, 0.2


class RangedReader(io.RawIOBase):
    """Reads by GETs of ranges; goes on where it was when a connection breaks."""

    def __init__(self, storage: "ObjectStorage", key: str) -> None:
        """Make the first request; raises FileNotFoundError and StorageAway."""
        self._storage = storage
        self._key = key
        self._position = 0
        self._window = FIRST_BYTES
        self._body: Any = None
        self._left = 0
        # An answer to a range tells how long the whole object is.
        self.size = 0
        self._fetch()

    def readable(self) -> bool:
        """Say that it may be read."""
        return True

    def seekable(self) -> bool:
        """Say that any place may be read."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go elsewhere; costs nothing before the next read."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self.size}
        target = max(0, base[whence] + offset)
        if target != self._position:
            self._drop()
            self._position, self._window = target, FIRST_BYTES
        return target

    def tell(self) -> int:
        """Return the place of the next byte."""
        return self._position

    def readinto(self, buffer: Any) -> int:
        """Read some bytes, after a new request if the last one has none left."""
        wanted = min(len(buffer), self.size - self._position)
        if wanted <= 0:
            return 0
        for attempt in range(TRIES):
            try:
                data = self._read(wanted)
                break
            except StorageAway:
                self._drop()
                if attempt == TRIES - 1:
                    raise
                time.sleep(PAUSE_SECONDS * 2**attempt)
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)

    def _read(self, wanted: int) -> bytes:
        if not self._left:
            self._fetch()
        with self._storage.speaking(self._key):
            data: bytes = self._body.read(min(wanted, self._left))
        if not data:
            raise StorageAway("the object store broke off")
        self._left -= len(data)
        return data

    def _fetch(self) -> None:
        self._drop()
        found = self._storage.get_range(self._key, self._position, self._window)
        self._body, self._left, self.size = found.body, found.length, found.size
        self._window = min(4 * self._window, MOST_BYTES)

    def _drop(self) -> None:
        if self._body is not None:
            self._body.close()
        self._body, self._left = None, 0

    def close(self) -> None:
        """Give the connection back."""
        if not self.closed:
            self._drop()
        super().close()


class StoredObject(File):  # type: ignore[type-arg]
    """What `ObjectStorage.open` returns."""

    def __init__(self, storage: "ObjectStorage", name: str, key: str) -> None:
        raw = RangedReader(storage, key)
        super().__init__(io.BufferedReader(raw, BUFFER_BYTES), name)
        self._size = raw.size

    @property
    def size(self) -> int:
        """How many bytes the object has."""
        return self._size
