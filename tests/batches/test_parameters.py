"""POST /v1/batches: which orders are taken, and what is wrong with the others."""

from typing import Any

import pytest
from django.test import Client

from batches.models import BatchJob
from tests.factories import CHAT, make_client, make_file, make_project

pytestmark = pytest.mark.django_db

ORDER: dict[str, Any] = {
    "input_file_id": "file-1",
    "endpoint": CHAT,
    "completion_window": "24h",
}


def post(client: Client | None = None, /, **changes: Any) -> Any:
    """Create a batch; a value of `...` leaves the key out."""
    order = {k: v for k, v in {**ORDER, **changes}.items() if v is not ...}
    client = client or make_client()
    return client.post("/v1/batches", order, content_type="application/json")


def error_of(response: Any) -> tuple[str | None, str | None]:
    assert response.status_code == 400, response.content
    assert not BatchJob.objects.exists()
    error = response.json()["error"]
    assert error["type"] == "invalid_request_error" and error["message"]
    return error["param"], error["code"]


def test_a_new_batch_is_validating():
    batch = post().json()

    assert batch["status"] == "validating" and batch["id"].startswith("batch_")
    assert batch["request_counts"] == {"total": 0, "completed": 0, "failed": 0}
    assert batch["usage"]["total_tokens"] == 0


def test_a_new_batch_expires_a_day_after_its_creation():
    batch = post().json()

    assert batch["expires_at"] - batch["created_at"] == 86_400


def test_another_window_has_its_own_deadline(configure):
    configure(BATCH_COMPLETION_WINDOWS=["24h", "30m"])

    batch = post(completion_window="30m").json()

    assert batch["expires_at"] - batch["created_at"] == 1800


def test_what_is_not_set_is_null():
    batch = post(metadata=...).json()

    empty = {key for key, value in batch.items() if value is None}
    assert empty >= {"model", "errors", "metadata", "output_file_id", "error_file_id"}


@pytest.mark.parametrize("key", list(ORDER))
def test_each_of_three_keys_is_required(key):
    response = post(None, **{key: ...})

    assert error_of(response) == (key, "missing_required_parameter")


@pytest.mark.parametrize("key", list(ORDER))
@pytest.mark.parametrize("value", [None, 1, 1.5, True, [], {}])
def test_each_of_three_keys_is_a_string(key, value):
    response = post(**{key: value})

    assert error_of(response) == (key, "invalid_type")


@pytest.mark.parametrize("endpoint", ["/v1/images/edits", "", CHAT + "/", "x" * 1000])
def test_an_endpoint_nobody_serves_is_refused_with_the_list(endpoint):
    response = post(endpoint=endpoint)

    assert error_of(response) == ("endpoint", "invalid_value")
    assert "Supported values are: '/v1/chat/completions'" in response.content.decode()


@pytest.mark.parametrize("window", ["1h", "48h", "", "24H", " 24h"])
def test_another_completion_window_is_refused(window):
    response = post(completion_window=window)

    assert error_of(response) == ("completion_window", "invalid_value")


@pytest.mark.parametrize("file_id", ["wrong-id", "", "FILE-1"])
def test_an_id_that_is_no_files_is_refused(file_id):
    response = post(input_file_id=file_id)

    assert error_of(response) == ("input_file_id", "invalid_value")


def test_a_file_id_longer_than_any_is_refused():
    response = post(input_file_id="file-" + "x" * 124)

    assert error_of(response) == ("input_file_id", "string_above_max_length")


def test_a_file_that_is_not_there_is_not_refused_yet():
    assert post(input_file_id="file-none").status_code == 200


def test_a_file_of_another_purpose_is_refused():
    project = make_project()
    file = make_file(b"{}\n", project, purpose="user_data")

    response = post(make_client(project), input_file_id=file.pk)

    assert error_of(response) == ("input_file_id", "invalid_value")


def test_an_unknown_key_is_refused():
    assert error_of(post(colour="red")) == ("colour", "unknown_parameter")


@pytest.mark.parametrize("key", ["input_file_id", "endpoint", "completion_window"])
@pytest.mark.parametrize("text", ["file\0", "file\ud800"])
def test_text_no_database_can_hold_is_refused(key, text):
    assert error_of(post(**{key: text})) == (key, "invalid_value")


def test_metadata_comes_back_unchanged():
    metadata = {"k" * 64: "v" * 512, "": "", "ü": "\u2028"}

    assert post(metadata=metadata).json()["metadata"] == metadata


def test_sixteen_pairs_of_metadata_are_taken():
    metadata = {str(number): "" for number in range(16)}

    assert post(metadata=metadata).status_code == 200


def test_null_metadata_is_none():
    response = post(metadata=None)

    assert response.status_code == 200 and response.json()["metadata"] is None


def test_lengths_are_counted_in_characters():
    assert post(metadata={"k": "😀" * 512}).status_code == 200


@pytest.mark.parametrize(
    ("metadata", "param", "code"),
    [
        ([], "metadata", "invalid_type"),
        ("a", "metadata", "invalid_type"),
        ({"tags": ["a"]}, "metadata.tags", "invalid_type"),
        ({"n": 1}, "metadata.n", "invalid_type"),
        ({"n": None}, "metadata.n", "invalid_type"),
        ({"k": "v" * 513}, "metadata.k", "string_above_max_length"),
        ({"k" * 65: "v"}, "metadata", "property_name_above_max_length"),
        ({"k": "\0"}, "metadata.k", "invalid_value"),
        ({"k": "\ud800"}, "metadata.k", "invalid_value"),
        ({"\0": "v"}, "metadata", "invalid_value"),
        ({"\udfff": "v"}, "metadata", "invalid_value"),
        (dict.fromkeys(map(str, range(17)), ""), "metadata", None),
    ],
)
def test_metadata_out_of_bounds_is_refused(metadata, param, code):
    code = code or "object_above_max_properties"

    assert error_of(post(metadata=metadata)) == (param, code)


@pytest.mark.parametrize("seconds", [3600, 2_592_000])
def test_a_policy_for_the_output_is_kept(seconds):
    post(output_expires_after={"anchor": "created_at", "seconds": seconds})

    assert BatchJob.objects.get().output_expires_seconds == seconds


@pytest.mark.parametrize(
    ("policy", "param", "code"),
    [
        ([], "", "invalid_type"),
        ({"seconds": 3600}, ".anchor", "missing_required_parameter"),
        ({"anchor": "created_at"}, ".seconds", "missing_required_parameter"),
        ({"anchor": "now", "seconds": 3600}, ".anchor", "invalid_value"),
        ({"anchor": "created_at", "seconds": "3600"}, ".seconds", "invalid_type"),
        ({"anchor": "created_at", "seconds": True}, ".seconds", "invalid_type"),
        ({"anchor": "created_at", "seconds": 3600.5}, ".seconds", "invalid_type"),
        (
            {"anchor": "created_at", "seconds": 3599},
            ".seconds",
            "integer_below_min_value",
        ),
        (
            {"anchor": "created_at", "seconds": 10**30},
            ".seconds",
            "integer_above_max_value",
        ),
        (
            {"anchor": "created_at", "seconds": 3600, "x": 1},
            ".x",
            "unknown_parameter",
        ),
    ],
)
def test_a_bad_policy_for_the_output_is_refused(policy, param, code):
    response = post(output_expires_after=policy)

    assert error_of(response) == (f"output_expires_after{param}", code)
