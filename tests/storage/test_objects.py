"""The storage: nothing is overwritten, any place can be read, parts are joined."""

import random
import threading
from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import SuspiciousOperation
from django.core.files.base import ContentFile

from files import litter
from files.models import batch_storage
from files.stores import new_file
from files.stores.s3 import ObjectStorage
from tests.factories import make_file

MIB = 1 << 20
LARGE = random.Random(1).randbytes(13 * MIB)


def save(name: str, content: bytes) -> str:
    return batch_storage().save(name, ContentFile(content))


def test_a_second_object_of_the_same_name_gets_another_name(bucket):
    first, second = save("a/b.jsonl", b"one"), save("a/b.jsonl", b"two")

    assert first == "a/b.jsonl" != second
    assert (bucket.read(first), bucket.read(second)) == (b"one", b"two")


def test_a_large_one_overwrites_nothing_either(bucket):
    first, second = save("a/b.jsonl", b"one"), save("a/b.jsonl", LARGE)

    assert first != second and bucket.read(first) == b"one"
    assert bucket.read(second) == LARGE and bucket.uploads() == []


@pytest.mark.parametrize("content", [b"one", LARGE], ids=["small", "large"])
def test_the_same_bytes_again_are_the_same_object(bucket, content):
    """A try whose answer was lost."""
    assert save("a", content) == save("a", content) == "a"
    assert bucket.names() == ["a"]


def test_of_two_writers_at_once_each_keeps_its_bytes(bucket):
    batch_storage().exists("a")  # the client is there before they start
    names: dict[bytes, str] = {}
    start = threading.Barrier(8)

    def write(content: bytes) -> None:
        start.wait()
        names[content] = save("a", content)

    contents = [str(number).encode() for number in range(8)]
    threads = [threading.Thread(target=write, args=[one]) for one in contents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(set(names.values())) == 8 and "a" in names.values()
    assert [bucket.read(names[one]) for one in contents] == contents


@pytest.mark.parametrize("name", ["../a", "/a", "a/../../b", "..\\a", ""])
def test_a_name_cannot_leave_the_folder(bucket, name):
    with pytest.raises(SuspiciousOperation):
        save(name, b"content")
    with pytest.raises(SuspiciousOperation):
        batch_storage().open(name)
    with pytest.raises(SuspiciousOperation):
        batch_storage().delete(name)


def test_any_place_can_be_read(bucket):
    save("a", LARGE)
    rng = random.Random(2)

    with batch_storage().open("a") as file:
        assert file.size == len(LARGE)
        for _ in range(20):
            place, count = rng.randrange(len(LARGE)), rng.randrange(200_000)
            file.seek(place)
            assert file.read(count) == LARGE[place : place + count]
        file.seek(0)
        assert b"".join(file.chunks()) == LARGE


def test_lines_are_read_as_from_a_local_file(bucket):
    lines = [b"x" * (n * 997 % 70_000) + b"\n" for n in range(60)]
    save("a", b"".join(lines))

    with batch_storage().open("a") as file:
        assert [file.readline() for _ in lines] == lines
        assert file.readline() == b""


def test_what_is_not_there_says_so(bucket):
    with pytest.raises(FileNotFoundError):
        batch_storage().open("a")
    with pytest.raises(FileNotFoundError):
        batch_storage().listdir("files")
    assert not batch_storage().exists("a")
    batch_storage().delete("a")


def test_a_folder_is_listed(bucket):
    for name in ("segments/b1/0.jsonl", "segments/b1/1.jsonl", "segments/b2/0.jsonl"):
        save(name, b"x")

    folders, _ = batch_storage().listdir("segments")

    assert sorted(folders) == ["b1", "b2"]
    assert sorted(batch_storage().listdir("segments/b1")[1]) == ["0.jsonl", "1.jsonl"]


def joined(*pieces: Any) -> bytes:
    """Write bytes, and copy parts (start, count) of the object `a`; read them back."""
    with new_file() as file:
        for piece in pieces:
            if isinstance(piece, bytes):
                file.write(piece)
            else:
                file.copy("a", *piece)
        with file.reopen() as stream:
            return stream.read()


PIECES: list[tuple[Any, ...]] = [
    ((0, 13 * MIB),),
    (b"head", (0, 13 * MIB)),
    (b"head", (1, 6 * MIB), (7, 6 * MIB), b"tail"),
    (b"x" * 9 * MIB, (100, 5 * MIB), (5, 5 * MIB - 1), (3, 3)),
    ((0, 10), (10, 5 * MIB), (7 * MIB, 6 * MIB)),
]


@pytest.mark.parametrize("pieces", PIECES)
def test_parts_of_objects_are_joined(bucket, pieces):
    save("a", LARGE)

    expected = b"".join(
        one if isinstance(one, bytes) else LARGE[one[0] : one[0] + one[1]]
        for one in pieces
    )

    assert joined(*pieces) == expected
    assert bucket.names() == ["a"] and bucket.uploads() == []


def test_what_is_large_is_copied_by_the_store(bucket, monkeypatch):
    save("a", LARGE)
    read: list[int] = []
    original = ObjectStorage.get_range

    def get_range(self: Any, key: str, start: int, count: int) -> Any:
        read.append(count)
        return original(self, key, start, count)

    with new_file() as file:
        monkeypatch.setattr(ObjectStorage, "get_range", get_range)
        file.copy("a", 0, len(LARGE))
        assert file.size == len(LARGE) and file.sha256 == "" and read == []


@pytest.mark.django_db
def test_bytes_without_a_row_are_litter_after_a_day(bucket, monkeypatch):
    kept = make_file(b"kept")
    lost = make_file(b"lost")
    for file in (kept, lost):
        litter.note_storing(file.path)
    lost.delete()

    assert litter.purge_incoming() == 0
    monkeypatch.setattr(litter, "OLD_SECONDS", -timedelta(hours=1).total_seconds())
    assert litter.purge_incoming() == 2

    assert bucket.names() == [kept.path]


@pytest.mark.django_db
def test_uploads_left_open_are_litter_after_a_day(bucket, monkeypatch):
    elsewhere = {"Bucket": bucket.name, "Key": f"{bucket.folder}-not/files/a"}
    foreign = bucket.client.create_multipart_upload(**elsewhere)
    key = f"{bucket.folder}/files/ab/file-ab"
    bucket.client.create_multipart_upload(Bucket=bucket.name, Key=key)

    assert litter.purge_incoming() == 0 and bucket.uploads() == [key]
    monkeypatch.setattr(litter, "OLD_SECONDS", -timedelta(hours=1).total_seconds())
    assert litter.purge_incoming() == 1

    assert bucket.uploads() == []
    # It must be there still: aborting it would fail otherwise.
    bucket.client.abort_multipart_upload(**elsewhere, UploadId=foreign["UploadId"])
