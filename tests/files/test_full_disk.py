"""A full disk: uploads are refused before the reserve is touched, and leave nothing."""

import errno
import os
import time
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile

from files import reserve
from files.incoming import IncomingFile
from files.litter import purge_incoming
from files.models import File, batch_storage
from files.stores.local import LocalNewFile
from tests.factories import make_client, make_file
from tests.files.uploads import form, send

pytestmark = pytest.mark.django_db
HUGE = 1 << 60


class NoBody:
    """A body that must not be read."""

    def read(self, size: int = -1) -> bytes:
        raise AssertionError("the body was read")

    readline = read


def files(storage: Path) -> list[Path]:
    return [path for path in storage.rglob("*") if path.is_file()]


def refused(response: Any) -> None:
    assert response.status_code == 507, response.content
    error = response.json()["error"]
    assert (error["type"], error["code"]) == ("server_error", "insufficient_storage")
    assert 1 <= int(response["Retry-After"]) <= 120
    assert response["x-request-id"]


def test_the_reserve_is_reached_when_less_is_free(configure):
    free = reserve.free_bytes()
    assert free is not None and not reserve.is_reached()

    configure(DISK_RESERVE_BYTES=HUGE)

    assert reserve.is_reached()


def test_what_is_to_come_counts(configure, monkeypatch):
    configure(DISK_RESERVE_BYTES=100)
    monkeypatch.setattr(reserve, "free_bytes", lambda: 150)

    assert not reserve.is_reached(50)
    assert reserve.is_reached(51)


def test_a_storage_elsewhere_has_no_reserve(configure, settings):
    configure(DISK_RESERVE_BYTES=HUGE)
    memory = {"BACKEND": "django.core.files.storage.InMemoryStorage"}
    settings.STORAGES = {**settings.STORAGES, "batch": memory}

    assert reserve.free_bytes() is None and not reserve.is_reached(HUGE)


def test_a_folder_that_is_not_there_yet_is_on_its_parents_disk(storage):
    assert not storage.exists()

    assert reserve.free_bytes()


def test_an_upload_that_would_touch_the_reserve_is_not_even_read(configure):
    configure(DISK_RESERVE_BYTES=HUGE)
    body: Any = NoBody()

    refused(send(make_client(), body, length=1000))

    assert not File.objects.exists()


def test_an_upload_is_taken_again_once_there_is_room(configure):
    client = make_client()
    configure(DISK_RESERVE_BYTES=HUGE)
    refused(send(client, form()))

    configure(DISK_RESERVE_BYTES=0)

    assert send(client, form()).status_code == 200


def full(*args: object, **kwargs: object) -> Any:
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_disk_that_fills_up_meanwhile_is_507(storage, monkeypatch, code):
    def write(self: IncomingFile, data: bytes) -> None:
        raise OSError(code, "no room")

    monkeypatch.setattr(IncomingFile, "write", write)

    refused(send(make_client(), form()))

    assert files(storage) == [] and not File.objects.exists()


@pytest.mark.parametrize(("name", "call"), [("link", 1), ("fsync", 1), ("fsync", 2)])
def test_a_disk_that_is_full_at_the_very_end_is_507(storage, monkeypatch, name, call):
    original, calls = getattr(os, name), count(1)

    def fail(*args: Any) -> Any:
        return full() if next(calls) == call else original(*args)

    monkeypatch.setattr(os, name, fail)

    refused(send(make_client(), form()))

    assert files(storage) == [] and not File.objects.exists()


def test_another_fault_of_the_disk_is_a_500(storage, monkeypatch):
    def broken(*args: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "link", broken)

    assert send(make_client(), form()).status_code == 500
    assert files(storage) == []


def test_a_temporary_file_whose_rest_cannot_be_written_is_removed(monkeypatch):
    content = IncomingFile("in.jsonl").content
    assert isinstance(content, LocalNewFile)
    monkeypatch.setattr(content.file, "close", full)

    content.discard()

    assert not content.local_path.exists()


def test_a_copy_that_does_not_fit_leaves_no_part_of_it(storage, monkeypatch):
    monkeypatch.setattr(os, "fsync", full)

    with pytest.raises(OSError, match="No space left"):
        batch_storage().save("a", ContentFile(b"content"))

    assert files(storage) == []


def aged(folder: Path, name: str, hours: float) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_bytes(b"x")
    moment = time.time() - 3600 * hours
    os.utime(path, (moment, moment))
    return path


@pytest.mark.parametrize("name", ["upload-abc", "final-abc"])
def test_old_temporary_files_are_litter(storage, name):
    old = aged(storage / "incoming", name, 25)
    new = aged(storage / "incoming", f"{name}d", 23)

    assert purge_incoming() == 1
    assert new.exists() and not old.exists()


def test_other_peoples_temporary_files_stay(storage):
    path = aged(storage / "incoming", "mine.upload", 1000)

    assert purge_incoming() == 0 and path.exists()


def test_no_folder_is_no_litter():
    assert purge_incoming() == 0


def note(storage: Path, name: str, hours: float = 25) -> Path:
    """Write what a crash leaves between a file's bytes and its row."""
    path = aged(storage / "incoming", f"storing-{Path(name).name}", hours)
    path.write_text(name)
    moment = time.time() - 3600 * hours
    os.utime(path, (moment, moment))
    return path


def test_bytes_without_a_row_are_litter_after_a_day(storage):
    name = batch_storage().save("files/ab/file-ab", ContentFile(b"x"))
    left = note(storage, name)

    assert purge_incoming() == 1
    assert not left.exists() and not batch_storage().exists(name)


@pytest.mark.parametrize(("hours", "has_row"), [(23, False), (25, True)])
def test_bytes_that_are_new_or_have_a_row_are_none(storage, hours, has_row):
    file = make_file(b"x")
    left = note(storage, file.path, hours)
    if not has_row:
        file.delete()

    purge_incoming()

    assert batch_storage().exists(file.path) and left.exists() == (not has_row)


@pytest.mark.parametrize("name", ["", "files/ab/file-none"])
def test_a_note_of_what_was_never_stored_does_no_harm(storage, name):
    left = note(storage, name or "files/ab/file-full")
    left.write_text(name)
    os.utime(left, (0, 0))

    assert purge_incoming() == 1 and not left.exists()
