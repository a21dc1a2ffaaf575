"""django-storages' S3 storage, for files that are written once and never replaced."""

import hashlib
import os
import threading
from contextlib import AbstractContextManager
from functools import cached_property
from pathlib import PurePosixPath
from typing import Any, NamedTuple, cast

from botocore.config import Config
from botocore.exceptions import ClientError
from django.core.files.base import File as DjangoFile
from django.core.files.utils import validate_file_name
from django.utils.crypto import get_random_string
from storages.backends.s3 import S3Storage

from files.stores.away import speaking
from files.stores.health import Health
from files.stores.multipart import ObjectNewFile
from files.stores.objects import ObjectStore
from files.stores.ranged import StoredObject

# A segment's key holds chunk, fence and number. Only a database that was set back meets
# old ones, and then its segment gets another name.
NAMES_TRIED = 4
CONNECTIONS = 32
PROBE = "incoming/probe"


class Range(NamedTuple):
    """The answer to a ranged GET: a stream, its length, and the object's size."""

    body: Any
    length: int
    size: int


class ObjectStorage(S3Storage):  # type: ignore[misc] # it has no types
    """Keeps files and segments as objects of a bucket.

    Its errors are OSErrors: FileNotFoundError, FileExistsError, and StorageAway for all
    that may pass. `link_seconds` and `link_endpoint_url` are for links to clients.
    """

    def __init__(
        self, *, link_seconds: int = 0, link_endpoint_url: str = "", **options: Any
    ) -> None:
        self.link_seconds = link_seconds
        self.link_endpoint_url = link_endpoint_url
        options.setdefault("client_config", client_config(options))
        super().__init__(**options)
        self.health = Health(self.probe)
        self._lock = threading.Lock()
        self._clients: tuple[int, dict[str | None, Any]] = (os.getpid(), {})

    @cached_property
    def store(self) -> ObjectStore:
        """How files are written here; `files.stores.store` looks for this."""
        return ObjectStore(self)

    @property
    def client(self) -> Any:
        """The process's client, which all its threads share."""
        return self.client_of(self.endpoint_url)

    def client_of(self, endpoint_url: str | None) -> Any:
        """Return a client for an address of the store."""
        with self._lock:
            pid, clients = self._clients
            if pid != os.getpid():  # a fork must not share its parent's sockets
                clients = {}
                self._clients = (os.getpid(), clients)
            if endpoint_url not in clients:
                clients[endpoint_url] = self._create_session().client(
                    "s3",
                    region_name=self.region_name,
                    use_ssl=self.use_ssl,
                    endpoint_url=endpoint_url,
                    config=self.client_config,
                    verify=self.verify,
                )
            return clients[endpoint_url]

    def speaking(self, key: str = "") -> AbstractContextManager[None]:
        """Turn the errors of calls into OSErrors."""
        return speaking(self.health, key)

    def call(self, operation: str, key: str, **details: Any) -> dict[str, Any]:
        """Call an operation on an object; raises OSError."""
        method = getattr(self.client, operation)
        with self.speaking(key):
            found = method(Bucket=self.bucket_name, Key=key, **details)
        return cast(dict[str, Any], found)

    def key_of(self, name: str) -> str:
        """Return a file's key; raises SuspiciousOperation for a name that leads out."""
        validate_file_name(name, allow_relative_path=True)
        return str(self._normalize_name(name))

    def probe(self) -> None:
        """Find out whether a result could be stored; raises StorageAway."""
        self.call("put_object", self.key_of(PROBE), Body=b"")

    def get_available_name(self, name: str, max_length: int | None = None) -> str:
        """Return the name: whether it is free is seen when it is written."""
        return name

    def _open(self, name: str, mode: str = "rb") -> StoredObject:
        if mode != "rb":
            raise ValueError("Stored files are read as bytes, and never changed.")
        return StoredObject(self, name, self.key_of(name))

    def get_range(self, key: str, start: int, count: int) -> Range:
        """Ask for some bytes; raises FileNotFoundError and StorageAway."""
        wanted = f"bytes={start}-{start + count - 1}"
        try:
            found = self.call("get_object", key, Range=wanted)
        except OSError as error:
            if not _is_empty(error.__cause__):
                raise
            return Range(None, 0, 0)
        length = found["ContentLength"]
        # Without a range in the answer it is the whole object.
        size = int(found.get("ContentRange", f"/{length}").rpartition("/")[2])
        return Range(found["Body"], length, size)

    def _save(self, name: str, content: "DjangoFile[bytes]") -> str:
        """Store an object; under another name if this one is taken.

        One with the same bytes is taken for our own: an earlier try, whose answer was
        lost. The content is read twice: its hash is stored with it.
        """
        digest = hashlib.sha256()
        for chunk in content.chunks():
            digest.update(chunk)
        wanted, sha256 = name, digest.hexdigest()
        for _ in range(NAMES_TRIED):
            new = ObjectNewFile(self, name, sha256)
            try:
                for chunk in content.chunks():
                    new.write(chunk)
                return new.keep()
            except FileExistsError:
                name = _other_name(wanted)
            finally:
                new.discard()
        raise FileExistsError(f"{wanted} is taken")

    def write_parameters(self, name: str, sha256: str) -> dict[str, Any]:
        """Return what goes with an object: its hash, and encryption, say.

        The latter comes from django-storages' AWS_S3_OBJECT_PARAMETERS.
        """
        found = {"ContentType": self.default_content_type}
        found |= self.get_object_parameters(name)
        if sha256:
            found["Metadata"] = {**found.get("Metadata", {}), "sha256": sha256}
        return found

    def delete(self, name: str) -> None:
        """Delete an object, if there is one; raises StorageAway."""
        self.call("delete_object", self.key_of(name))

    def exists(self, name: str) -> bool:
        """Tell whether there is such an object; raises StorageAway."""
        try:
            self.call("head_object", self.key_of(name))
        except FileNotFoundError:
            return False
        return True

    def size(self, name: str) -> int:
        """Return an object's size; raises FileNotFoundError and StorageAway."""
        return int(self.call("head_object", self.key_of(name))["ContentLength"])

    def listdir(self, name: str) -> tuple[list[str], list[str]]:
        """List a folder; raises FileNotFoundError for one with nothing in it."""
        with self.speaking(name):
            folders, names = super().listdir(name)
        if not (folders or names):
            raise FileNotFoundError(f"there is nothing below {name}")
        return folders, names

    @property
    def connection(self) -> Any:
        """What django-storages lists with: only its client is used."""
        return _Connection(self.client)


class _Meta(NamedTuple):
    client: Any


class _Connection:
    def __init__(self, client: Any) -> None:
        self.meta = _Meta(client)


def client_config(options: dict[str, Any]) -> Config:
    """Return how to talk to the store: signed, patiently, and to any make of it.

    Each body is signed with its SHA-256, which the store checks; the checksums that
    boto3 adds of itself are not understood everywhere.
    """
    style = options.get("addressing_style") or "auto"
    return Config(
        s3={"addressing_style": style},
        signature_version="s3v4",
        connect_timeout=5,
        read_timeout=30,
        retries={"mode": "standard", "total_max_attempts": 3},
        max_pool_connections=CONNECTIONS,
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )


def _is_empty(error: BaseException | None) -> bool:
    """Tell whether a range was refused because the object has no bytes."""
    code = isinstance(error, ClientError) and error.response["Error"]["Code"]
    return code in ("InvalidRange", "416")


def _other_name(name: str) -> str:
    path = PurePosixPath(name)
    return str(path.with_name(f"{path.stem}_{get_random_string(7)}{path.suffix}"))
