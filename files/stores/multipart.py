"""Write an object of any size in parts, holding one part in memory."""

from contextlib import suppress
from typing import IO, TYPE_CHECKING, Any, cast

from files.stores.away import UploadGone
from files.stores.base import NewFile

if TYPE_CHECKING:
    from files.stores.s3 import ObjectStorage

# S3 takes no smaller part, but for the last one, and 10,000 of them at most.
LEAST_BYTES = 5 << 20
PART_BYTES = 8 << 20
# How much the store copies in one request, well within the time it has to answer.
COPIED_BYTES = 128 << 20


class ObjectNewFile(NewFile):
    """An object in the making: in memory, then as the parts of a multipart upload.

    What goes in parts has its hash with it only if that is known before.
    """

    def __init__(self, storage: "ObjectStorage", path: str, sha256: str = "") -> None:
        super().__init__(path)
        self._storage = storage
        self._known = sha256
        self._key = storage.key_of(path)
        self._buffer = bytearray()
        self._upload = ""
        self._parts: list[dict[str, Any]] = []
        self._is_reopened = False

    def take(self, data: bytes) -> None:
        """Hold bytes until they are a part."""
        self._buffer += data
        while len(self._buffer) >= PART_BYTES:
            self._send(PART_BYTES)

    def _send(self, count: int) -> None:
        """Send the first bytes held, as the next part."""
        self._add(
            self._storage.call(
                "upload_part", self._key, Body=bytes(self._buffer[:count]), **self._part
            )
        )
        del self._buffer[:count]

    @property
    def _part(self) -> dict[str, Any]:
        """What names the next part; begins the upload if there is none."""
        if not self._upload:
            details = self._storage.write_parameters(self.path, self._known)
            begun = self._storage.call("create_multipart_upload", self._key, **details)
            self._upload = begun["UploadId"]
        return {"UploadId": self._upload, "PartNumber": len(self._parts) + 1}

    def _add(self, answer: dict[str, Any]) -> None:
        number = len(self._parts) + 1
        self._parts.append({"PartNumber": number, "ETag": answer["ETag"]})

    def _missing(self) -> int:
        """Return how much the buffer lacks to be a part; an empty one lacks nothing."""
        return max(0, LEAST_BYTES - len(self._buffer)) if self._buffer else 0

    def copies(self, count: int) -> bool:
        """Tell whether enough is left for a part after the buffer was filled up."""
        return count - self._missing() >= LEAST_BYTES

    def copy(self, path: str, start: int, count: int) -> None:
        """Let the store copy what can be a part; the rest passes through the buffer."""
        if not self.copies(count):
            super().copy(path, start, count)
            return
        if missing := self._missing():
            super().copy(path, start, missing)
            start, count = start + missing, count - missing
        if self._buffer:
            self._send(len(self._buffer))
        while count >= LEAST_BYTES:
            taken = min(count, COPIED_BYTES)
            self._copy_part(path, start, taken)
            start, count = start + taken, count - taken
        super().copy(path, start, count)

    def _copy_part(self, path: str, start: int, count: int) -> None:
        source = {
            "Bucket": self._storage.bucket_name,
            "Key": self._storage.key_of(path),
        }
        answer = self._storage.call(
            "upload_part_copy",
            self._key,
            CopySource=source,
            CopySourceRange=f"bytes={start}-{start + count - 1}",
            **self._part,
        )
        self._add(answer["CopyPartResult"])
        self.size += count
        self._digest = None

    def keep(self) -> str:
        """Complete the upload, or send the object at once if it is small.

        Raises FileExistsError if another object has the name.
        """
        try:
            if self._upload:
                self._complete()
            else:
                self._put()
        except (FileExistsError, UploadGone):
            if not self._is_there():
                raise
        self._upload = ""
        return self.path

    def _put(self) -> None:
        details = self._storage.write_parameters(self.path, self.sha256)
        body = bytes(self._buffer)
        self._storage.call(
            "put_object", self._key, Body=body, IfNoneMatch="*", **details
        )

    def _complete(self) -> None:
        if self._buffer:
            self._send(len(self._buffer))
        self._storage.call(
            "complete_multipart_upload",
            self._key,
            UploadId=self._upload,
            MultipartUpload={"Parts": self._parts},
            IfNoneMatch="*",
        )

    def _is_there(self) -> bool:
        """Tell whether an earlier try, whose answer was lost, has stored it."""
        if self._upload and not self._known:
            return self._storage.size(self.path) == self.size
        return self._storage.store.vouches(self.path, self.size, self.sha256)

    def reopen(self) -> IO[bytes]:
        """Store the object to read it back; `discard` deletes it."""
        self._storage.store.note(self.path)
        self._is_reopened = True
        self.path = self.keep()
        return cast(IO[bytes], self._storage.open(self.path))

    def discard(self) -> None:
        """Abort what was not kept; what cannot be aborted now is swept later."""
        self._buffer.clear()
        with suppress(OSError):
            if self._upload:
                upload, self._upload = self._upload, ""
                self._storage.call("abort_multipart_upload", self._key, UploadId=upload)
            if self._is_reopened:
                self._is_reopened = False
                self._storage.delete(self.path)
                self._storage.store.forget(self.path)
