"""Cases P-A: transport and errors (contract 1)."""

import openai
import pytest

from tests.conformance.client import Api, envelope, jsonl, line

pytestmark = pytest.mark.conformance


def test_p_a01_no_key_is_401(api: Api):
    envelope(api.raw("GET", "/files", key=None), 401)


def test_p_a02_wrong_key_is_an_authentication_error(api: Api):
    client = openai.OpenAI(api_key="sk-wrong", base_url=api.base_url, max_retries=0)

    with pytest.raises(openai.AuthenticationError) as caught:
        client.batches.list()

    assert caught.value.code == "invalid_api_key"
    client.close()


def test_p_a03_unknown_routes_are_404(api: Api):
    for response in (
        api.raw("GET", "/nope"),
        api.raw("POST", "/files/x/y/z", json={}),
    ):
        envelope(response, 404, type="invalid_request_error", text="Invalid URL")


def test_p_a04_wrong_verbs_are_405(api: Api):
    envelope(api.raw("PUT", "/batches", json={}), 405)
    envelope(api.raw("DELETE", "/batches/batch_x"), 404, 405)


def test_p_a05_bad_json_is_400(api: Api):
    headers = {"Content-Type": "application/json"}
    for body in (
        b"{bad",
        b"[" * 100_000,
        b'{"a":NaN}',
        b"\xff\xfe{}",
        b"",
        b"9" * 5000,
    ):
        envelope(api.raw("POST", "/batches", content=body, headers=headers), 400)


def test_p_a06_every_answer_has_its_own_request_id(api: Api):
    file = api.up(jsonl(line("a")))
    responses = [api.raw("GET", "/files"), api.raw("GET", "/files")]
    responses.append(api.raw("GET", "/files/file-none"))

    ids = {response.headers["x-request-id"] for response in responses}

    assert len(ids) == 3 and all(ids)
    assert api.client.files.retrieve(file.id)._request_id
    with pytest.raises(openai.NotFoundError) as caught:
        api.client.files.retrieve("file-none")
    assert caught.value.request_id


def test_p_a07_a_trailing_slash_is_never_redirected(api: Api):
    envelope(api.raw("POST", "/batches/", json={}), 404)
    envelope(api.raw("GET", "/files/"), 404)


def test_an_encoded_slash_in_an_id_is_a_json_404(api: Api):
    with pytest.raises(openai.NotFoundError):
        api.client.files.retrieve("a/b")


def test_a_wrong_content_type_is_415(api: Api):
    headers = {"Content-Type": "text/plain"}
    envelope(api.raw("POST", "/batches", content=b"{}", headers=headers), 415)


@pytest.mark.parametrize("path", ["/files/%00", "/batches/%00", "/models/%00"])
def test_a_nul_in_an_id_is_404(api: Api, path: str):
    envelope(api.raw("GET", path), 404)


@pytest.mark.parametrize("header", ["Bearer", "Basic abc", "Bearer a b", "Bearer é"])
def test_a_malformed_authorization_is_401(api: Api, header: str):
    headers = {b"Authorization": header.encode()}
    response = api.http.get(f"{api.base_url}/files", headers=headers)
    envelope(response, 401, code="invalid_api_key")


def test_models_are_listed_and_described(api: Api):
    assert {model.id for model in api.client.models.list()} == {"stub", "stub-2"}
    assert api.client.models.retrieve("stub").object == "model"
    envelope(api.raw("GET", "/models/nope"), 404)


def test_the_path_without_its_slash_is_a_json_404(api: Api):
    envelope(api.raw("POST", ""), 404, text="Invalid URL")


def test_options_is_405(api: Api):
    envelope(api.raw("OPTIONS", "/files"), 405)


def test_an_address_that_is_too_long_is_refused_in_the_envelope(api: Api):
    envelope(api.raw("GET", "/files?after=" + "x" * 10_000), 414)


def test_headers_that_are_too_long_are_refused_in_the_envelope(api: Api):
    envelope(api.raw("GET", "/files", headers={"X-Long": "x" * 200_000}), 431, 400)


@pytest.mark.parametrize(
    "query", ["limit=1&limit=2", "after=a&after=b", "order=asc&order=desc"]
)
def test_a_parameter_given_twice_is_refused(api: Api, query: str):
    envelope(api.raw("GET", f"/files?{query}"), 400, code="invalid_type")
