"""A store in a bucket: nothing that must survive lies on this machine."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.utils import timezone
from django.utils.http import content_disposition_header

from files.stores.base import NewFile, Store
from files.stores.local import sweep_folder
from files.stores.multipart import ObjectNewFile

if TYPE_CHECKING:
    from files.stores.s3 import ObjectStorage

NOTES = "incoming"
# Where objects are written: uploads elsewhere in the bucket are not ours to abort.
FOLDERS = ("files", "segments", "artifacts")


class ObjectStore(Store):
    """Writes objects whole, or in parts that become one in the end."""

    def __init__(self, storage: "ObjectStorage") -> None:
        self._storage = storage

    def new_file(self, path: str, prefix: str) -> NewFile:
        """Begin an object."""
        return ObjectNewFile(self._storage, path)

    def note(self, path: str) -> None:
        """Store an empty object that is named after the path."""
        self._storage.call("put_object", self._storage.key_of(f"{NOTES}/{path}"))

    def forget(self, path: str) -> None:
        """Delete the empty object; one that stays is swept, and does no harm."""
        with suppress(OSError):
            self._storage.delete(f"{NOTES}/{path}")

    def sweep(self, seconds: float, is_known: Callable[[str], bool]) -> int:
        """Remove old temporary files here, what notes name, and uploads left open."""
        count = sweep_folder(seconds)
        for path in list(self._old(NOTES, "list_objects_v2", seconds)):
            if not is_known(path):
                self._storage.delete(path)
            self.forget(path)
            count += 1
        for folder in FOLDERS:
            count += self._abort_old(folder, seconds)
        return count

    def _abort_old(self, folder: str, seconds: float) -> int:
        count = 0
        for found in self._found(folder, "list_multipart_uploads", seconds):
            with suppress(OSError):  # somebody else was faster
                upload = found["UploadId"]
                self._storage.call(
                    "abort_multipart_upload", found["Key"], UploadId=upload
                )
                count += 1
        return count

    def _old(self, folder: str, operation: str, seconds: float) -> Iterator[str]:
        """Yield the paths below a folder that are so old."""
        prefix = self._storage.key_of(folder) + "/"
        for found in self._found(folder, operation, seconds):
            yield found["Key"].removeprefix(prefix)

    def _found(
        self, folder: str, operation: str, seconds: float
    ) -> Iterator[dict[str, Any]]:
        limit = timezone.now() - timedelta(seconds=seconds)
        pages = self._storage.client.get_paginator(operation).paginate(
            Bucket=self._storage.bucket_name,
            Prefix=self._storage.key_of(folder) + "/",
        )
        with self._storage.speaking(folder):
            for page in pages:
                for found in (*page.get("Contents", ()), *page.get("Uploads", ())):
                    if (found.get("LastModified") or found["Initiated"]) < limit:
                        yield found

    def free_bytes(self) -> int | None:
        """Return nothing: a bucket has no end we know of."""
        return None

    def trouble(self) -> str:
        """Return what the last call failed with, until one succeeds."""
        return self._storage.health.reason

    def vouches(self, path: str, size: int, sha256: str) -> bool:
        """Compare size and hash with those the object was stored with.

        What keeps its bytes from rotting is the store.
        """
        found = self._storage.call("head_object", self._storage.key_of(path))
        # Some stores change the case of these names.
        kept = {name.lower(): text for name, text in found["Metadata"].items()}
        is_whole: bool = found["ContentLength"] == size
        return is_whole and kept.get("sha256") == sha256

    def link(self, path: str, filename: str, content_type: str) -> str:
        """Sign an address, if clients are to get their files from the bucket."""
        storage = self._storage
        if not storage.link_seconds:
            return ""
        client = storage.client_of(storage.link_endpoint_url or storage.endpoint_url)
        signed: str = client.generate_presigned_url(
            "get_object",
            Params={
                "Bucket": storage.bucket_name,
                "Key": storage.key_of(path),
                "ResponseContentDisposition": content_disposition_header(True, filename)
                or "attachment",
                "ResponseContentType": content_type,
            },
            ExpiresIn=storage.link_seconds,
        )
        return signed
