"""Downloads through nginx: when the server hands them over, and when it does not."""

from typing import Any

import pytest
from django.core.files.base import ContentFile

from files.models import File, batch_storage
from tests.factories import make_client
from tests.files.uploads import END, part, send
from vllm_batch.environment import read_environment

BAD = ["stored", "/stored", "stored/", "/", "/a/b/", "/../", "/a b/", "/a\n/"]


@pytest.mark.parametrize("prefix", BAD)
def test_a_bad_prefix_stops_the_start(monkeypatch, prefix):
    from django.core.exceptions import ImproperlyConfigured

    monkeypatch.setenv("DOWNLOAD_ACCEL_PREFIX", prefix)

    with pytest.raises(ImproperlyConfigured, match="DOWNLOAD_ACCEL_PREFIX"):
        read_environment()


PREFIX = "/_stored/"
CONTENT = b"some bytes"


@pytest.fixture
def downloading(configure: Any) -> Any:
    """A client, and the path of a file's content, with downloads by nginx."""
    configure(DOWNLOAD_ACCEL_PREFIX=PREFIX)
    client = make_client()
    parts = [part("purpose", b"user_data"), part("file", CONTENT, "ä b.txt")]
    answer = send(client, b"".join(parts) + END)
    return client, f"/v1/files/{answer.json()['id']}/content"


@pytest.mark.django_db
def test_nginx_gets_an_order_instead_of_bytes(downloading):
    client, path = downloading

    answer = client.get(path, headers={"X-Accel-Prefix": PREFIX})

    stored = File.objects.get().path
    assert (answer["X-Accel-Redirect"], answer.content) == (PREFIX + stored, b"")


@pytest.mark.django_db
@pytest.mark.parametrize("sent", ["", "/", "/etc/", PREFIX.strip("/")])
def test_whoever_does_not_know_the_location_gets_bytes(downloading, sent):
    client, path = downloading

    answer = client.get(path, headers={"X-Accel-Prefix": sent})

    assert b"".join(answer) == CONTENT
    assert "X-Accel-Redirect" not in answer


@pytest.mark.django_db
def test_without_the_setting_nobody_can_order_anything(downloading, configure):
    client, path = downloading
    configure(DOWNLOAD_ACCEL_PREFIX="")

    for sent in ("", PREFIX):
        assert b"".join(client.get(path, headers={"X-Accel-Prefix": sent})) == CONTENT


@pytest.mark.django_db
def test_a_remote_storage_is_not_nginxs(downloading, settings):
    client, path = downloading
    content = File.objects.get()
    memory = {"BACKEND": "django.core.files.storage.InMemoryStorage"}
    settings.STORAGES = {**settings.STORAGES, "batch": memory}
    batch_storage().save(content.path, ContentFile(CONTENT))

    answer = client.get(path, headers={"X-Accel-Prefix": PREFIX})

    assert b"".join(answer) == CONTENT


@pytest.mark.django_db
def test_lost_bytes_are_an_error_and_never_an_empty_file(downloading, storage):
    client, path = downloading
    (storage / File.objects.get().path).unlink()
    client.raise_request_exception = False

    answer = client.get(path, headers={"X-Accel-Prefix": PREFIX})

    assert answer.status_code == 500
