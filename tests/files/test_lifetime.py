"""How long files live, and when their bytes go."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from batches.models import BatchJob
from batches.purging import purge_files
from files.models import File
from tests.factories import make_batch, make_client, make_file, make_project
from tests.files.uploads import form, send
from vllm_batch.lib.clock import database_now

pytestmark = pytest.mark.django_db
DAY = 86_400
HOUR_AGO = timedelta(hours=-1)


def policy(anchor: str, seconds: str) -> dict[str, Any]:
    return {"expires_after[anchor]": anchor, "expires_after[seconds]": seconds}


def lies_on_disk(file: File, storage: Path) -> bool:
    return (storage / file.path).exists()


def test_a_batch_file_lives_thirty_days():
    file = send(make_client(), form()).json()

    assert file["expires_at"] - file["created_at"] == 30 * DAY


def test_the_life_of_batch_files_is_a_setting(configure):
    configure(FILE_LIFETIME_SECONDS=7200)

    file = send(make_client(), form()).json()

    assert file["expires_at"] - file["created_at"] == 7200


@pytest.mark.parametrize(
    "purpose", ["assistants", "fine-tune", "vision", "user_data", "evals"]
)
def test_files_of_other_purposes_do_not_expire(purpose):
    file = send(make_client(), form(purpose=purpose)).json()

    assert file["expires_at"] is None


@pytest.mark.parametrize("purpose", ["batch", "user_data"])
@pytest.mark.parametrize("seconds", [3600, 30 * DAY])
def test_a_policy_sets_the_end_of_life(purpose, seconds):
    fields = policy("created_at", str(seconds))

    file = send(make_client(), form(purpose=purpose, **fields)).json()

    assert file["expires_at"] - file["created_at"] == seconds


@pytest.mark.parametrize(
    ("seconds", "code"),
    [
        ("3599", "integer_below_min_value"),
        ("2592001", "integer_above_max_value"),
        ("-1", "integer_below_min_value"),
        ("", "invalid_type"),
        ("1e4", "invalid_type"),
        ("٣٦٠٠", "invalid_type"),
        ("9" * 5000, "invalid_type"),
    ],
)
def test_a_bad_number_of_seconds_is_refused(seconds, code):
    fields = policy("created_at", seconds)

    response = send(make_client(), form(**fields))

    error = response.json()["error"]
    assert response.status_code == 400
    assert (error["param"], error["code"]) == ("expires_after.seconds", code)


def test_another_anchor_is_refused():
    fields = policy("last_active_at", "3600")

    response = send(make_client(), form(**fields))

    error = response.json()["error"]
    assert (error["param"], error["code"]) == ("expires_after.anchor", "invalid_value")


@pytest.mark.parametrize("left_out", ["anchor", "seconds"])
def test_half_a_policy_is_refused(left_out):
    fields = policy("created_at", "3600")
    del fields[f"expires_after[{left_out}]"]

    response = send(make_client(), form(**fields))

    error = response.json()["error"]
    assert error["param"] == f"expires_after.{left_out}"
    assert error["code"] == "missing_required_parameter"


@pytest.mark.parametrize("path", ["/v1/files/{}", "/v1/files/{}/content"])
def test_an_expired_file_is_gone_for_its_owner(path):
    project = make_project()
    file = make_file(b"x", project, expires_at=database_now() + HOUR_AGO)

    response = make_client(project).get(path.format(file.pk))

    assert response.status_code == 404


def test_an_expired_file_is_in_no_list():
    project = make_project()
    make_file(b"x", project, expires_at=database_now() + HOUR_AGO)

    assert make_client(project).get("/v1/files").json()["data"] == []


def test_a_deleted_file_is_gone_and_cannot_be_deleted_again():
    project = make_project()
    file = make_file(b"x", project)
    client = make_client(project)

    first, second = (client.delete(f"/v1/files/{file.pk}") for _ in range(2))

    assert first.json() == {"id": file.pk, "object": "file", "deleted": True}
    assert second.status_code == 404


def test_a_deleted_files_bytes_stay_until_the_purge(storage):
    project = make_project()
    file = make_file(b"x", project)

    make_client(project).delete(f"/v1/files/{file.pk}")

    assert lies_on_disk(file, storage)


def test_the_purge_removes_bytes_of_deleted_and_expired_files(storage):
    gone = [
        make_file(b"x", deleted_at=database_now()),
        make_file(b"x", expires_at=database_now() + HOUR_AGO),
    ]

    count = purge_files()

    assert count == 2 and not any(lies_on_disk(file, storage) for file in gone)


def test_the_purge_keeps_the_bytes_of_living_files(storage):
    file = make_file(b"x", expires_at=database_now() - HOUR_AGO)

    count = purge_files()

    assert count == 0 and lies_on_disk(file, storage)


def test_the_purge_keeps_rows_so_that_lists_can_be_paged_past_them():
    project = make_project()
    older = make_file(b"x", project, created_at=database_now() + HOUR_AGO)
    file = make_file(b"x", project, deleted_at=database_now())

    purge_files()

    page = make_client(project).get(f"/v1/files?after={file.pk}").json()
    assert [item["id"] for item in page["data"]] == [older.pk]


def test_a_second_purge_finds_nothing():
    make_file(b"x", deleted_at=database_now())
    purge_files()

    assert purge_files() == 0


@pytest.mark.parametrize(
    "status", ["validating", "in_progress", "finalizing", "cancelling"]
)
def test_the_purge_waits_for_a_live_batch_that_reads_the_file(storage, status):
    batch = make_batch(status=status)
    File.objects.update(deleted_at=database_now())

    count = purge_files()

    assert count == 0
    assert lies_on_disk(File.objects.get(pk=batch.input_file_id), storage)


@pytest.mark.parametrize("status", ["completed", "failed", "expired", "cancelled"])
def test_the_purge_comes_once_the_batch_has_ended(storage, status):
    batch = make_batch(status="in_progress")
    File.objects.update(deleted_at=database_now())
    BatchJob.objects.update(status=status)

    count = purge_files()

    assert count == 1
    assert not lies_on_disk(File.objects.get(pk=batch.input_file_id), storage)


def test_a_long_name_is_shortened_and_keeps_its_extension():
    response = send(make_client(), form(filename="ü" * 300 + ".jsonl"))

    name = response.json()["filename"]
    assert len(name) == 255 and name.endswith("ü.jsonl")


@pytest.mark.parametrize(
    ("content", "lines"), [(b"", 0), (b"a", 1), (b"a\n", 1), (b"a\n\nb", 3)]
)
def test_a_file_knows_its_lines(content, lines):
    response = send(make_client(), form(content))

    assert File.objects.get(pk=response.json()["id"]).line_count == lines
