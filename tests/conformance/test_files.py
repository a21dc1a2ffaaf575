"""Cases P-F: files (contract 3)."""

import time

import openai
import pytest

from tests.conformance.client import Api, envelope, jsonl, line

pytestmark = pytest.mark.conformance
MONTH = 2_592_000


@pytest.fixture
def data() -> bytes:
    return jsonl(line("a"))


def test_p_f01_upload_gives_a_file_object(api: Api, data: bytes):
    response = api.form(data, purpose="batch")

    file = response.json()
    assert response.status_code == 200
    assert file["id"].startswith("file-") and file["object"] == "file"
    assert file["bytes"] == len(data) and file["filename"] == "in.jsonl"
    assert file["purpose"] == "batch" and file["status"] == "processed"
    assert abs(file["created_at"] - time.time()) < 5
    assert isinstance(file["created_at"], int)
    assert file["expires_at"] == file["created_at"] + MONTH


def test_p_f02_raw_bytes_are_named_upload(api: Api, data: bytes):
    file = api.client.files.create(file=data, purpose="batch")

    assert file.filename == "upload"
    assert api.wait(api.mk(file.id).id)["status"] == "completed"


def test_p_f03_retrieve_equals_the_upload(api: Api, data: bytes):
    file = api.form(data, purpose="batch").json()
    assert api.raw("GET", f"/files/{file['id']}").json() == file


def test_p_f04_the_sdk_downloads_the_bytes(api: Api, data: bytes):
    assert api.client.files.content(api.up(data).id).content == data


@pytest.mark.parametrize("accept", ["application/json", "*/*", "text/plain", None])
def test_p_f05_content_ignores_accept(api: Api, data: bytes, accept: str | None):
    headers = {"Accept": accept} if accept else {}
    response = api.raw("GET", f"/files/{api.up(data).id}/content", headers=headers)

    assert response.status_code == 200 and response.content == data
    assert response.headers["content-length"] == str(len(data))


def test_p_f06_delete_says_so(api: Api, data: bytes):
    file_id = api.up(data).id
    response = api.raw("DELETE", f"/files/{file_id}")

    assert response.status_code == 200
    assert response.json() == {"id": file_id, "object": "file", "deleted": True}


def test_p_f07_a_deleted_file_is_gone(api: Api, data: bytes):
    file_id = api.up(data).id
    api.client.files.delete(file_id)

    envelope(api.raw("GET", f"/files/{file_id}"), 404)
    envelope(api.raw("GET", f"/files/{file_id}/content"), 404)
    envelope(api.raw("DELETE", f"/files/{file_id}"), 404)
    assert file_id not in [file.id for file in api.client.files.list()]


def test_p_f08_an_unknown_file_is_404(api: Api):
    unknown = "file-doesnotexist123"
    for method, path in (("GET", ""), ("DELETE", ""), ("GET", "/content")):
        envelope(
            api.raw(method, f"/files/{unknown}{path}"),
            404,
            text=f"No such File object: {unknown}",
            param="id",
            code=None,
        )
    with pytest.raises(openai.NotFoundError):
        api.client.files.retrieve(unknown)


def test_p_f09_an_unknown_purpose_is_refused(api: Api, data: bytes):
    response = api.form(data, purpose="vector_store")
    envelope(response, 400, param="purpose", text="'vector_store' is not one of")
    envelope(api.form(data, purpose="batch_output"), 400, param="purpose")


def test_p_f10_purpose_is_required(api: Api, data: bytes):
    envelope(api.form(data), 400, param="purpose")


def test_p_f11_file_is_required(api: Api):
    parts = {"purpose": (None, "batch"), "note": (None, "x")}
    envelope(api.raw("POST", "/files", files=parts), 400, param="file")
    envelope(api.raw("POST", "/files", json={"purpose": "batch"}), 400, param="file")


def test_p_f12_another_extension_is_refused_for_batches(api: Api):
    response = api.form(b"hello", "notes.txt", purpose="batch")
    envelope(response, 400, text="Must be .jsonl", code=None)


def test_p_f13_user_data_never_expires(api: Api):
    file = api.form(b"hello", "notes.txt", purpose="user_data")
    assert file.status_code == 200 and file.json()["expires_at"] is None


def test_p_f14_expires_after_is_honoured(api: Api, data: bytes):
    policy = {"anchor": "created_at", "seconds": 3600}
    file = api.up(data, expires_after=policy)
    assert file.expires_at == file.created_at + 3600


@pytest.mark.parametrize("seconds", ["3599", "2592001", "1.5", "soon", "-1", ""])
def test_p_f15_expires_after_out_of_range_is_refused(
    api: Api, data: bytes, seconds: str
):
    fields = {"expires_after[anchor]": "created_at", "expires_after[seconds]": seconds}
    error = envelope(api.form(data, purpose="batch", **fields), 400)
    assert "expires_after" in error["param"]


def test_p_f16_a_batch_file_must_be_utf8(api: Api):
    response = api.form(b'{"custom_id":"\xe9"}\n', purpose="batch")
    envelope(response, 400, text="utf-8")
    envelope(api.form(b"caf\xc3", purpose="batch"), 400, text="utf-8")


def test_p_f17_every_upload_purpose_is_accepted(api: Api, data: bytes):
    for purpose in ["assistants", "batch", "fine-tune", "vision", "user_data", "evals"]:
        response = api.form(data, purpose=purpose)
        assert response.json()["purpose"] == purpose, response.text


def test_p_f18_lines_are_not_judged_at_upload(api: Api):
    response = api.form(b'{"custom_id":"a"}\n', purpose="batch")
    assert response.json()["status"] == "processed"


def test_p_f19_the_file_may_come_before_the_purpose(api: Api):
    body = (
        b'--B\r\nContent-Disposition: form-data; name="file"; filename="a.jsonl"\r\n'
        b"Content-Type: application/octet-stream\r\n\r\n{}\n\r\n"
        b'--B\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nbatch\r\n'
        b"--B--\r\n"
    )
    headers = {"Content-Type": "multipart/form-data; boundary=B"}
    response = api.raw("POST", "/files", content=body, headers=headers)
    assert response.status_code == 200, response.text


def test_p_f20_unicode_names_are_echoed(api: Api, data: bytes):
    name = "rapport_été_数据.jsonl"
    file = api.up(data, name=name)

    assert file.filename == name
    assert api.client.files.content(file.id).content == data


def test_a_download_is_byte_exact(api: Api):
    data = b"\xef\xbb\xbf{}\r\n\r\n{} no newline at the end"
    assert api.client.files.content(api.up(data).id).content == data


def test_unknown_form_fields_are_refused(api: Api, data: bytes):
    response = api.form(data, purpose="batch", note="x")
    envelope(response, 400, param="note", code="unknown_parameter")


def test_half_an_expiry_policy_is_refused(api: Api, data: bytes):
    for fields in (
        {"expires_after[anchor]": "created_at"},
        {"expires_after[seconds]": "3600"},
        {"expires_after[anchor]": "upload", "expires_after[seconds]": "3600"},
    ):
        error = envelope(api.form(data, purpose="batch", **fields), 400)
        assert "expires_after" in error["param"]


def test_a_chunked_upload_is_asked_for_its_length(api: Api, data: bytes):
    boundary = b'--x\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nbatch\r\n'
    headers = {"Content-Type": "multipart/form-data; boundary=x"}

    answer = api.raw("POST", "/files", headers=headers, content=iter([boundary]))

    envelope(answer, 411, text="Content-Length")
