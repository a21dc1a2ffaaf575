"""Fixtures of the tests on a real object store."""

import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from tests.fixtures import configure, quick_passwords
from tests.rig.seaweed import BUCKET, KEY, SECRET, Seaweed
from tests.storage.bucket import Bucket

__all__ = ["configure", "quick_passwords"]


@pytest.fixture(scope="session")
def server() -> Iterator[Seaweed]:
    """One object store for all tests; each has a folder of its own in the bucket."""
    server = Seaweed()
    try:
        yield server.start()
    finally:
        server.stop()


@pytest.fixture
def options(server: Seaweed) -> dict[str, Any]:
    """What the storage is made with; a test may change it before its first call."""
    return {
        "bucket_name": BUCKET,
        "endpoint_url": server.url,
        "region_name": "us-east-1",
        "addressing_style": "path",
        "access_key": KEY,
        "secret_key": SECRET,
        "location": f"test/{uuid.uuid4().hex[:12]}",
    }


@pytest.fixture
def bucket(
    server: Seaweed, options: dict[str, Any], settings: Any, tmp_path: Any
) -> Bucket:
    """The storage in our settings is the bucket; returns what is seen from outside."""
    batch = {"BACKEND": "files.stores.s3.ObjectStorage", "OPTIONS": options}
    settings.STORAGES = {**settings.STORAGES, "batch": batch}
    settings.FILE_UPLOAD_TEMP_DIR = tmp_path / "incoming"
    return Bucket(server.client(), BUCKET, options["location"])
