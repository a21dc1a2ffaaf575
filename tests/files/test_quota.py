"""How much a project may have stored: bytes and files."""

from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import Project
from files.models import File
from tests.factories import make_batch, make_client, make_file, make_project
from tests.files.uploads import Streamed, form, send

pytestmark = pytest.mark.django_db


def refused(response: Any, *words: str) -> None:
    assert response.status_code == 429, response.content
    error = response.json()["error"]
    assert (error["type"], error["code"]) == ("insufficient_quota",) * 2
    assert error["param"] == "file"
    assert all(word in error["message"] for word in words), error
    # The SDK would send the whole file twice more.
    assert response["x-should-retry"] == "false"


def stored(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_a_project_may_have_so_many_bytes(configure, storage):
    configure(PROJECT_STORED_BYTES=1000)
    project = make_project()
    make_file(b"x" * 900, project)

    response = send(make_client(project), form(b"x" * 101))

    refused(response, "900", "1000")
    assert File.objects.count() == 1 and len(stored(storage)) == 1


def test_what_fits_is_taken(configure):
    configure(PROJECT_STORED_BYTES=1000, PROJECT_STORED_FILES=2)
    project = make_project()
    make_file(b"x" * 100, project)

    assert send(make_client(project), form(b"x" * 100)).status_code == 200


def test_what_cannot_fit_is_not_even_read(configure):
    configure(PROJECT_STORED_BYTES=1000)
    body = Streamed(b"x", 1 << 20, b"")

    response = send(make_client(), body, length=body.length)

    refused(response, "may have 1000")
    assert body.read() == b"x"


def test_a_project_may_have_so_many_files(configure):
    configure(PROJECT_STORED_FILES=1)
    client = make_client()
    assert send(client, form()).status_code == 200

    refused(send(client, form()), "1 files")


def test_a_projects_own_limit_goes_before(configure):
    configure(PROJECT_STORED_FILES=1)
    project = make_project()
    Project.objects.filter(pk=project.pk).update(stored_files_limit=2)
    client = make_client(project)

    found = [send(client, form()).status_code for _ in range(3)]

    assert found == [200, 200, 429]


def test_a_limit_of_zero_of_its_own_is_none(configure):
    configure(PROJECT_STORED_FILES=1)
    project = make_project()
    Project.objects.filter(pk=project.pk).update(stored_files_limit=0)
    client = make_client(project)

    assert {send(client, form()).status_code for _ in range(3)} == {200}


def test_others_files_do_not_count(configure):
    configure(PROJECT_STORED_FILES=1)
    make_file()

    assert send(make_client(), form()).status_code == 200


@pytest.mark.parametrize(("is_purged", "status"), [(False, 429), (True, 200)])
def test_a_deleted_file_counts_until_its_bytes_are_gone(configure, is_purged, status):
    configure(PROJECT_STORED_FILES=1)
    project, now = make_project(), timezone.now()
    make_file(b"", project, deleted_at=now, purged_at=now if is_purged else None)

    assert send(make_client(project), form()).status_code == status


def test_a_retry_needs_room_too(configure):
    project = make_project()
    record = b'{"custom_id": "a", "error": {"code": "batch_expired"}}\n'
    error_file = make_file(record, project, purpose="batch_output")
    batch = make_batch(project=project, status="expired", error_file_id=error_file.pk)
    configure(PROJECT_STORED_FILES=2)
    before = File.objects.count()

    response = make_client(project).post(
        f"/v1/batches/{batch.pk}/retry", {}, "application/json"
    )

    refused(response, "2 files")
    assert File.objects.count() == before
