"""A test's folder in the bucket, looked at past our own code."""

from dataclasses import dataclass
from typing import Any


@dataclass
class Bucket:
    """What lies there."""

    client: Any
    name: str
    folder: str

    def names(self) -> list[str]:
        """Return the names of all objects."""
        found = self.client.list_objects_v2(Bucket=self.name, Prefix=self.folder + "/")
        keys = [entry["Key"] for entry in found.get("Contents", [])]
        return sorted(key.removeprefix(self.folder + "/") for key in keys)

    def read(self, name: str) -> bytes:
        """Return an object's bytes."""
        found = self.client.get_object(Bucket=self.name, Key=f"{self.folder}/{name}")
        with found["Body"] as body:
            content: bytes = body.read()
        return content

    def put(self, name: str, content: bytes) -> None:
        """Store an object, as somebody else would."""
        key = f"{self.folder}/{name}"
        self.client.put_object(Bucket=self.name, Key=key, Body=content)

    def parts(self, name: str) -> int:
        """Return how many parts an object was made of; 1 if it was sent at once."""
        key = f"{self.folder}/{name}"
        etag = self.client.head_object(Bucket=self.name, Key=key)["ETag"].strip('"')
        return int(etag.partition("-")[2] or 1)

    def uploads(self) -> list[str]:
        """Return the multipart uploads that are neither complete nor aborted."""
        found = self.client.list_multipart_uploads(
            Bucket=self.name, Prefix=self.folder + "/"
        )
        return [entry["Key"] for entry in found.get("Uploads", [])]
