"""Downloads from a bucket: through the server, or by a link that says little."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from files.models import File
from tests.factories import make_client
from tests.files.uploads import form, send
from vllm_batch.environment import read_environment

pytestmark = pytest.mark.django_db
CONTENT = b'{"a":1}\n' * 1000


@pytest.fixture
def linked(options: dict[str, Any], bucket: Any) -> Any:
    """Downloads lead into the bucket."""
    options["link_seconds"] = 60
    return bucket


def upload(client: Any, name: str = "in.jsonl") -> str:
    return f"/v1/files/{send(client, form(CONTENT, name)).json()['id']}/content"


def test_the_server_streams_by_itself(bucket):
    client = make_client()

    answer = client.get(upload(client))

    assert b"".join(answer) == CONTENT
    assert answer["Content-Length"] == str(len(CONTENT))
    assert 'filename="in.jsonl"' in answer["Content-Disposition"]


def test_a_link_leads_to_the_bytes(linked):
    client = make_client()

    answer = client.get(upload(client))
    found = httpx.get(answer["Location"], trust_env=False)

    assert answer.status_code == 302 and answer["Cache-Control"] == "no-store"
    assert found.content == CONTENT
    assert found.headers["Content-Disposition"] == 'attachment; filename="in.jsonl"'


def test_a_link_takes_ranges(linked):
    client = make_client()

    link = client.get(upload(client))["Location"]
    found = httpx.get(link, headers={"Range": "bytes=8-15"}, trust_env=False)

    assert (found.status_code, found.content) == (206, CONTENT[8:16])


def test_a_link_ends_and_cannot_be_changed(linked):
    client = make_client()

    link = client.get(upload(client))["Location"]
    query = parse_qs(urlsplit(link).query)
    path = File.objects.get().path
    elsewhere = link.replace(path, path[:-1] + ("a" if path[-1] != "a" else "b"))

    assert query["X-Amz-Expires"] == ["60"]
    assert httpx.get(elsewhere, trust_env=False).status_code == 403


@pytest.mark.parametrize("name", ['a"\r\nX-Evil: 1\r\n.jsonl', "ü\u202e.jsonl"])
def test_a_hostile_name_stays_a_name(linked, name):
    client = make_client()
    path = upload(client)
    File.objects.update(filename=name)

    found = httpx.get(client.get(path)["Location"], trust_env=False)

    assert found.content == CONTENT and "X-Evil" not in found.headers
    assert found.headers["Content-Disposition"].startswith("attachment")


def test_a_head_is_answered_here(linked):
    client = make_client()

    answer = client.head(upload(client))

    assert answer.status_code == 200
    assert answer["Content-Length"] == str(len(CONTENT))


def test_clients_may_know_another_address(options, linked):
    options["link_endpoint_url"] = "https://files.example.com"
    client = make_client()

    link = client.get(upload(client))["Location"]

    assert link.startswith("https://files.example.com/")


@pytest.mark.parametrize("seconds", [0, 60])
def test_lost_bytes_are_an_error_and_never_an_empty_file(options, bucket, seconds):
    options["link_seconds"] = seconds
    client = make_client()
    path = upload(client)
    key = f"{bucket.folder}/{File.objects.get().path}"
    bucket.client.delete_object(Bucket=bucket.name, Key=key)
    client.raise_request_exception = False

    assert client.get(path).status_code == 500


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AWS_STORAGE_BUCKET_NAME", "a/b"),
        ("AWS_STORAGE_BUCKET_NAME", "x"),
        ("AWS_LOCATION", "../other"),
        ("AWS_LOCATION", "/a"),
        ("AWS_S3_ENDPOINT_URL", "localhost:9000"),
        ("AWS_S3_ENDPOINT_URL", "http://key:secret@localhost"),
        ("AWS_S3_ADDRESSING_STYLE", "both"),
        ("DOWNLOAD_LINK_SECONDS", "604801"),
        ("DOWNLOAD_LINK_ENDPOINT_URL", "ftp://files.example.com"),
    ],
)
def test_a_bad_setting_stops_the_start(monkeypatch, name, value):
    from django.core.exceptions import ImproperlyConfigured

    monkeypatch.setenv(name, value)

    with pytest.raises(ImproperlyConfigured, match=name):
        read_environment()
