"""`check_storage` says what of a storage works, and leaves nothing behind."""

from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.core.management.base import SystemCheckError

pytestmark = pytest.mark.django_db


def check() -> list[str]:
    output = StringIO()
    call_command("check_storage", stdout=output)
    return output.getvalue().splitlines()


def test_a_good_store_does_everything(bucket):
    *findings, sentence = check()

    assert [line for line in findings if not line.startswith("yes  ")] == []
    assert len(findings) >= 7 and "all that is needed" in sentence
    assert bucket.names() == [] and bucket.uploads() == []


def test_a_folder_does_everything_too(settings: Any, tmp_path: Path):
    options = {"location": tmp_path / "batch"}
    folder = {"BACKEND": "files.storage.DurableFileSystemStorage", "OPTIONS": options}
    settings.STORAGES = {**settings.STORAGES, "batch": folder}
    settings.FILE_UPLOAD_TEMP_DIR = tmp_path / "batch" / "incoming"

    assert "all that is needed" in check()[-1]
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_store_that_overwrites_is_found_out(bucket, monkeypatch):
    from files.stores.s3 import ObjectStorage

    original = ObjectStorage.call

    def call(self: Any, operation: str, key: str, **details: Any) -> Any:
        details.pop("IfNoneMatch", None)
        return original(self, operation, key, **details)

    monkeypatch.setattr(ObjectStorage, "call", call)
    output = StringIO()

    with pytest.raises(CommandError):
        call_command("check_storage", stdout=output)

    assert "no   nothing is overwritten: If-None-Match" in output.getvalue()


def test_a_store_that_is_away_is_an_error(options, bucket):
    options["endpoint_url"] = "http://127.0.0.1:1"

    with pytest.raises(CommandError):
        check()


def test_a_client_that_is_not_installed_is_said_at_the_start(bucket, monkeypatch):
    monkeypatch.setattr("files.checks.find_spec", lambda name: None)

    with pytest.raises(SystemCheckError, match="requirements-s3.txt"):
        call_command("check")
