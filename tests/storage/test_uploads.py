"""Uploads into a bucket: whole or not at all, in little memory, under our own names."""

import hashlib
import tracemalloc
from types import SimpleNamespace
from typing import Any

import pytest

from files.models import File
from tests.factories import make_client, make_project
from tests.files.uploads import END, Streamed, form, send

pytestmark = pytest.mark.django_db
MIB = 1 << 20
LARGE = b"0123456789abcde\n" * (20 * MIB // 16)
HOSTILE = [
    "../../../secret.jsonl",
    'a"; filename="b.jsonl',
    "a\\b\\..\\c.jsonl",
    "%2e%2e%2f.jsonl",
    "ünï/cödé\u202e.jsonl",
    "a?uploads=1&x=.jsonl",
    "." * 200 + ".jsonl",
]


def error(response: Any, status: int) -> dict[str, Any]:
    assert response.status_code == status, response.content
    found: dict[str, Any] = response.json()["error"]
    return found


def content(client: Any, file_id: str) -> Any:
    return client.get(f"/v1/files/{file_id}/content")


def test_a_small_upload_is_one_object(bucket):
    client = make_client()

    file_id = send(client, form(b"{}\n{}\n")).json()["id"]

    file = File.objects.get(pk=file_id)
    assert bucket.names() == [file.path] and bucket.read(file.path) == b"{}\n{}\n"
    assert file.sha256 == hashlib.sha256(b"{}\n{}\n").hexdigest()
    assert (file.bytes, file.line_count) == (6, 2)


def test_a_large_upload_goes_in_parts(bucket):
    client = make_client()

    file_id = send(client, form(LARGE)).json()["id"]

    file = File.objects.get(pk=file_id)
    assert bucket.parts(file.path) == 3 and bucket.uploads() == []
    assert file.sha256 == hashlib.sha256(LARGE).hexdigest()
    assert b"".join(content(client, file_id)) == LARGE


def test_an_empty_file_is_kept(bucket):
    client = make_client()

    file_id = send(client, form(b"")).json()["id"]

    assert b"".join(content(client, file_id)) == b""


def test_a_large_upload_is_never_in_memory(bucket):
    body = Streamed(form()[: -len(END) - 5], 48 * MIB, b"\r\n" + END)
    client = make_client()
    send(client, form())  # the client of the store is made once
    tracemalloc.start()

    response = send(client, body, length=body.length)

    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert response.status_code == 200 and response.json()["bytes"] >= 47 * MIB
    assert peak < 36 * MIB


def test_an_upload_that_breaks_off_leaves_nothing(bucket):
    body = form(LARGE)

    response = send(make_client(), body[:-1000], length=len(body))

    assert "broke off" in error(response, 400)["message"]
    assert bucket.names() == [] and bucket.uploads() == []


@pytest.mark.parametrize("fields", [{"purpose": "x"}, {"colour": "red"}])
def test_an_upload_that_is_refused_leaves_nothing(bucket, fields):
    error(send(make_client(), form(LARGE, **fields)), 400)

    assert bucket.names() == [] and bucket.uploads() == []


def test_an_upload_beyond_the_quota_leaves_nothing(bucket, monkeypatch):
    project = make_project()
    project.stored_bytes_limit = 10
    project.save()
    # It looked as if there was room when the upload began.
    room = SimpleNamespace(check=lambda *args: None)
    monkeypatch.setattr("files.views.quota", room)

    error(send(make_client(project), form(b"x" * 20)), 429)

    assert bucket.names() == []


@pytest.mark.parametrize("name", HOSTILE)
def test_a_clients_name_is_no_part_of_an_objects(bucket, name):
    client = make_client()

    response = send(client, form(filename=name))

    file = File.objects.get(pk=response.json()["id"])
    assert bucket.names() == [f"files/{file.pk[5:7]}/{file.pk}"]
    assert b"".join(content(client, file.pk)) == b"{}\n"


def test_another_project_gets_nothing(bucket):
    file_id = send(make_client(), form()).json()["id"]

    assert content(make_client(), file_id).status_code == 404


@pytest.mark.parametrize(
    "wrong",
    [
        {"secret_key": "wrong"},
        {"access_key": "nobody"},
        {"bucket_name": "not-there"},
        {"endpoint_url": "http://127.0.0.1:1"},
    ],
)
def test_a_store_that_refuses_is_a_503_and_says_no_secret(options, bucket, wrong):
    options.update(wrong)

    response = send(make_client(), form())

    found = error(response, 503)
    assert (found["type"], found["code"]) == ("server_error", "storage_unavailable")
    assert 1 <= int(response["Retry-After"]) <= 60
    assert "127.0.0.1" not in found["message"] and not File.objects.exists()
