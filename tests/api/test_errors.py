"""Errors that never reach a view, and crashes inside one, are JSON all the same."""

from typing import Any, NoReturn

import pytest

from batches.views import BatchViewSet
from tests.factories import make_client

pytestmark = pytest.mark.django_db


def error_of(response: Any, status: int) -> dict[str, Any]:
    """Check what every error answer has, and return its `error`."""
    assert response.status_code == status, response.content
    assert response["Content-Type"].startswith("application/json")
    assert response["x-request-id"].startswith("req_")
    body = response.json()
    assert set(body) == {"error"}
    assert set(body["error"]) == {"message", "type", "param", "code"}
    error: dict[str, Any] = body["error"]
    return error


def crash(*args: object, **kwargs: object) -> NoReturn:
    raise RuntimeError("the database password is hunter2")


@pytest.mark.parametrize("method", ["get", "post", "put", "patch", "delete"])
def test_an_unknown_route_is_404_for_every_method(method):
    response = getattr(make_client(), method)("/v1/nope")

    error = error_of(response, 404)
    assert error["message"] == f"Invalid URL ({method.upper()} /v1/nope)"
    assert error["type"] == "invalid_request_error"


@pytest.mark.parametrize("path", ["/v1/", "/v1/files/", "/v1/batches/x/cancel/"])
def test_a_trailing_slash_is_an_unknown_route(path):
    response = make_client().post(path)

    assert "Invalid URL" in error_of(response, 404)["message"]


def test_an_unknown_route_asks_for_a_key_first(client):
    response = client.get("/v1/nope")

    assert error_of(response, 401)["code"] == "invalid_api_key"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("put", "/v1/files"),
        ("patch", "/v1/files/file-1"),
        ("post", "/v1/files/file-1"),
        ("delete", "/v1/files/file-1/content"),
        ("delete", "/v1/batches/batch_1"),
        ("get", "/v1/batches/batch_1/cancel"),
        ("post", "/v1/models"),
    ],
)
def test_a_wrong_verb_is_405_and_names_the_right_ones(method, path):
    response = getattr(make_client(), method)(path)

    error = error_of(response, 405)
    assert error["message"].startswith(f"Not allowed to {method.upper()} on {path}.")
    assert (error["type"], error["code"]) == ("invalid_request_error", None)
    assert response["Allow"]


def test_a_crash_in_a_view_is_a_500_that_tells_nothing(monkeypatch):
    monkeypatch.setattr(BatchViewSet, "_batch", crash)

    response = make_client().get("/v1/batches/batch_1")

    error = error_of(response, 500)
    assert error["type"] == "server_error"
    assert "hunter2" not in response.content.decode()


def test_a_crash_is_logged_with_its_cause(monkeypatch, caplog):
    monkeypatch.setattr(BatchViewSet, "_batch", crash)

    make_client().get("/v1/batches/batch_1")

    assert "hunter2" in caplog.text


def test_a_host_that_is_not_served_gets_json():
    response = make_client().get("/v1/files", headers={"Host": "evil.example"})

    error_of(response, 400)


def test_the_admin_keeps_djangos_own_pages(client):
    response = client.get("/admin/nope/")

    assert response.status_code in (302, 404)
    assert response["Content-Type"].startswith("text/html")


def test_a_success_has_a_request_id_too():
    response = make_client().get("/v1/files")

    assert response.status_code == 200 and response["x-request-id"].startswith("req_")


def test_request_ids_differ():
    client = make_client()

    ids = {client.get("/v1/files")["x-request-id"] for _ in range(3)}

    assert len(ids) == 3


def test_the_clients_own_request_id_comes_back():
    headers = {"X-Client-Request-Id": "mine-1"}

    response = make_client().get("/v1/files", headers=headers)

    assert response["x-client-request-id"] == "mine-1"


@pytest.mark.parametrize("value", ["x" * 129, "a b", "ü"])
def test_a_request_id_that_is_no_token_does_not_come_back(value):
    headers = {"X-Client-Request-Id": value}

    response = make_client().get("/v1/files", headers=headers)

    assert "x-client-request-id" not in response.headers


def test_a_body_larger_than_any_order_is_413():
    response = make_client().post(
        "/v1/batches", b" " * ((1 << 20) + 1), content_type="application/json"
    )

    error_of(response, 413)


@pytest.mark.parametrize(
    "body",
    [b"{bad", b'{"a": NaN}', b"[" * 100_000, b"9" * 5000, b"\xff{}", b"{'a': 1}"],
)
def test_a_body_that_is_no_json_is_400(body):
    response = make_client().post("/v1/batches", body, content_type="application/json")

    assert "could not parse the JSON body" in error_of(response, 400)["message"]


@pytest.mark.parametrize("body", [b"42", b"[1]", b"null", b'"text"'])
def test_a_body_that_is_no_object_is_400(body):
    response = make_client().post("/v1/batches", body, content_type="application/json")

    assert "must be a JSON object" in error_of(response, 400)["message"]


def test_a_page_that_is_not_there_says_where_to_go(client):
    page = client.get("/nowhere")

    assert page.status_code == 404
    assert "nothing at this address" in page.content.decode()
