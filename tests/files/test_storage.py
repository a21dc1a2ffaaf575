"""The storage: nothing half-written, nothing overwritten."""

import os
import stat
from pathlib import Path

import pytest
from django.core.exceptions import SuspiciousFileOperation
from django.core.files.base import ContentFile

from files.models import batch_storage
from files.storage import DurableFileSystemStorage
from tests.factories import make_file


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*") if path.is_file()}


def test_what_was_saved_is_read_back(storage):
    name = batch_storage().save("a/b", ContentFile(b"content"))

    with batch_storage().open(name) as file:
        assert file.read() == b"content"


def test_a_second_file_of_the_same_name_gets_another_name(storage):
    first = batch_storage().save("a", ContentFile(b"one"))

    second = batch_storage().save("a", ContentFile(b"two"))

    assert first != second
    assert (storage / first).read_bytes() == b"one"
    assert (storage / second).read_bytes() == b"two"


def test_a_race_for_a_name_overwrites_nothing(tmp_path: Path):
    storage = DurableFileSystemStorage(location=tmp_path)
    storage._save("a", ContentFile(b"one"))

    with pytest.raises(FileExistsError):
        storage._save("a", ContentFile(b"two"))

    assert (tmp_path / "a").read_bytes() == b"one"


def test_a_saved_file_leaves_nothing_beside_it(storage):
    batch_storage().save("a", ContentFile(b"content"))

    assert names(storage) == {"a"}


def test_the_bytes_are_safe_before_the_name_appears(storage, monkeypatch):
    events: list[str] = []
    fsync, link = os.fsync, os.link

    def note_fsync(descriptor: int) -> None:
        is_folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        events.append("fsync folder" if is_folder else "fsync file")
        fsync(descriptor)

    def note_link(source: str, target: str) -> None:
        events.append("link")
        link(source, target)

    monkeypatch.setattr(os, "fsync", note_fsync)
    monkeypatch.setattr(os, "link", note_link)

    batch_storage().save("a", ContentFile(b"content"))

    assert events == ["fsync file", "link", "fsync folder"]


def test_a_name_cannot_leave_the_folder(storage):
    with pytest.raises(SuspiciousFileOperation):
        batch_storage().save("../a", ContentFile(b"content"))


@pytest.mark.django_db
def test_a_clients_name_is_no_part_of_the_path(storage):
    file = make_file(b"x", filename="passwd.jsonl")

    assert "passwd" not in file.path
    assert file.path == f"files/{file.pk[5:7]}/{file.pk}"
