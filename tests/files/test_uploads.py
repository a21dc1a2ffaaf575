"""POST /v1/files: whole uploads are kept, all others leave nothing behind."""

import hashlib
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from files.models import File
from tests.factories import make_client, make_project
from tests.files.uploads import END, Streamed, form, part, send

pytestmark = pytest.mark.django_db
MIB = 1 << 20


def stored(folder: Path) -> list[Path]:
    """Return every file below the storage, temporary ones included."""
    return [path for path in folder.rglob("*") if path.is_file()]


def refused(response: Any, folder: Path) -> dict[str, Any]:
    """Check that an upload was refused without a trace; return the error."""
    assert response.status_code == 400, response.content
    assert not File.objects.exists() and stored(folder) == []
    error: dict[str, Any] = response.json()["error"]
    return error


def test_the_bytes_are_kept_exactly():
    content = b"\xef\xbb\xbf{}\r\n\n \xe2\x80\xa8{}"
    client = make_client()

    file_id = send(client, form(content)).json()["id"]

    downloaded = client.get(f"/v1/files/{file_id}/content")
    assert b"".join(downloaded) == content
    assert downloaded["Content-Type"] == "application/octet-stream"
    assert downloaded["Content-Length"] == str(len(content))


def test_size_and_sha256_are_noted():
    send(make_client(), form(b"{}\n{}\n"))

    file = File.objects.get()
    assert file.bytes == 6
    assert file.sha256 == hashlib.sha256(b"{}\n{}\n").hexdigest()


def test_an_upload_belongs_to_the_keys_project():
    project = make_project()

    send(make_client(project), form())

    assert File.objects.get().project == project


def test_an_upload_leaves_no_temporary_file(storage):
    send(make_client(), form())

    assert [path.name for path in stored(storage)] == [File.objects.get().pk]


def test_an_empty_file_is_kept():
    response = send(make_client(), form(b""))

    assert response.status_code == 200 and response.json()["bytes"] == 0


@pytest.mark.parametrize("missing_bytes", [1, len(END), len(END) + 3, 60])
def test_a_body_that_breaks_off_is_refused(storage, missing_bytes):
    body = form(b"{}\n" * 100)

    response = send(make_client(), body[:-missing_bytes], length=len(body))

    refused(response, storage)


def test_a_body_that_breaks_off_in_the_file_says_so(storage):
    body = form(b"{}\n" * 100)

    response = send(make_client(), body[: len(body) // 2], length=len(body))

    assert "broke off" in refused(response, storage)["message"]


def test_a_file_larger_than_any_is_refused(storage, configure):
    configure(FILE_MAX_BYTES=10)

    response = send(make_client(), form(b"x" * 11, purpose="user_data"))

    assert refused(response, storage)["message"] == "File is too large."


def test_a_file_of_the_largest_size_is_kept(configure):
    configure(FILE_MAX_BYTES=10)

    response = send(make_client(), form(b"x" * 10, purpose="user_data"))

    assert response.status_code == 200


def test_a_length_beyond_the_limit_is_refused_before_the_body_is_read(
    storage, configure
):
    configure(FILE_MAX_BYTES=10)
    body = Streamed(b"x", 4 * MIB, b"")

    response = send(make_client(), body, length=body.length)

    refused(response, storage)
    assert body.read() == b"x"


def test_a_batch_file_has_a_limit_of_its_own(storage, configure):
    configure(BATCH_MAX_BYTES=10)

    response = send(make_client(), form(b"x" * 11))

    assert refused(response, storage)["message"] == "File is too large."


def test_other_purposes_do_not_have_the_batch_limit(configure):
    configure(BATCH_MAX_BYTES=10)

    response = send(make_client(), form(b"x" * 11, purpose="user_data"))

    assert response.status_code == 200


def test_a_batch_file_that_is_no_utf8_is_refused(storage):
    response = send(make_client(), form(b"\xff\xfe{}"))

    assert "utf-8" in refused(response, storage)["message"]


def test_a_character_that_is_cut_off_at_the_end_is_refused(storage):
    response = send(make_client(), form("ü".encode()[:1]))

    assert "utf-8" in refused(response, storage)["message"]


def test_a_character_may_lie_across_two_chunks():
    content = b"x" * (MIB - 1) + "ü".encode() * 40_000

    response = send(make_client(), form(content))

    assert response.status_code == 200


def test_bytes_of_other_purposes_may_be_anything():
    response = send(make_client(), form(b"\xff\xfe", purpose="vision"))

    assert response.status_code == 200


@pytest.mark.parametrize("name", ["in.json", "in.jsonl.gz", "in.csv"])
def test_a_batch_file_with_another_extension_is_refused(storage, name):
    response = send(make_client(), form(filename=name))

    assert "Must be .jsonl" in refused(response, storage)["message"]


@pytest.mark.parametrize("name", ["upload", "IN.JSONL", "a.b.jsonl", "ü.jsonl"])
def test_names_are_kept(name):
    response = send(make_client(), form(filename=name))

    assert response.json()["filename"] == name


@pytest.mark.parametrize("name", ["../../etc/in.jsonl", "C:\\x\\in.jsonl"])
def test_folders_in_a_name_are_dropped(name):
    response = send(make_client(), form(filename=name))

    assert response.json()["filename"] == "in.jsonl"


@pytest.mark.parametrize(
    "body",
    [
        part("purpose", b"batch") + END,
        form(filename=None),
        form(filename=""),
        END,
    ],
)
def test_a_form_without_a_file_is_refused(storage, body):
    error = refused(send(make_client(), body), storage)

    assert (error["param"], error["code"]) == ("file", "missing_required_parameter")


def test_a_file_under_another_name_is_refused(storage):
    body = part("purpose", b"batch") + part("data", b"{}", "in.jsonl") + END

    assert refused(send(make_client(), body), storage)["param"] == "file"


def test_a_second_file_is_refused(storage):
    body = part("other", b"{}", "in.jsonl") + form()

    error = refused(send(make_client(), body), storage)

    assert (error["param"], error["code"]) == ("other", "unknown_parameter")


def test_an_unknown_field_is_refused(storage):
    error = refused(send(make_client(), form(colour="red")), storage)

    assert (error["param"], error["code"]) == ("colour", "unknown_parameter")


@pytest.mark.parametrize("purpose", ["", "batch_output", "Batch", "x" * 500])
def test_an_unknown_purpose_is_refused(storage, purpose):
    error = refused(send(make_client(), form(purpose=purpose)), storage)

    assert (error["param"], error["code"]) == ("purpose", None)
    assert "is not one of ['fine-tune', 'assistants', 'batch'" in error["message"]


def test_the_purpose_is_required(storage):
    error = refused(send(make_client(), part("file", b"", "f") + END), storage)

    assert error["param"] == "purpose" and "required property" in error["message"]


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", ""])
def test_a_body_that_is_no_form_is_refused(storage, content_type):
    response = send(make_client(), b"{}", content_type=content_type)

    assert refused(response, storage)["param"] == "file"


def test_a_form_without_a_boundary_is_refused(storage):
    response = send(make_client(), form(), content_type="multipart/form-data")

    assert "form is malformed" in refused(response, storage)["message"]


def test_a_text_field_larger_than_memory_allows_is_refused(storage):
    response = send(make_client(), form(purpose="x" * 3 * MIB))

    refused(response, storage)


def test_a_large_upload_is_never_in_memory():
    body = Streamed(form()[: -len(END) - 5], 32 * MIB, b"\r\n" + END)
    client = make_client()
    tracemalloc.start()

    response = send(client, body, length=body.length)

    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert response.status_code == 200 and response.json()["bytes"] >= 32 * MIB
    assert peak < 8 * MIB
