"""A database that does not answer is a 503 that says when to come back."""

from typing import Any

import pytest
from django.conf import settings
from django.db import (
    DatabaseError,
    IntegrityError,
    InterfaceError,
    OperationalError,
    ProgrammingError,
)
from django.http import HttpRequest

from accounts.models import ApiKeyQuerySet
from batches.views import BatchViewSet
from files.views import FileViewSet
from tests.factories import make_client
from vllm_batch.lib.middleware import ApiMiddleware

pytestmark = pytest.mark.django_db


def failing(error: Exception) -> Any:
    def fail(*args: object, **kwargs: object) -> None:
        raise error

    return fail


def check_unavailable(response: Any) -> None:
    assert response.status_code == 503, response.content
    error = response.json()["error"]
    assert error["type"] == "server_error" and error["param"] is None
    assert error["code"] == "database_unavailable"
    assert 1 <= int(response["Retry-After"]) <= 120
    assert response["x-request-id"]


@pytest.mark.parametrize("kind", [OperationalError, InterfaceError, DatabaseError])
@pytest.mark.parametrize(
    ("view", "path"), [(BatchViewSet, "/v1/batches"), (FileViewSet, "/v1/files")]
)
def test_a_view_that_cannot_reach_it_is_503(monkeypatch, kind, view, path):
    client = make_client()
    monkeypatch.setattr(view, "list", failing(kind("10.0.0.5 refused")))

    response = client.get(path)

    check_unavailable(response)
    assert "10.0.0.5" not in response.content.decode()


def test_a_key_that_cannot_be_looked_up_is_503(monkeypatch):
    client = make_client()
    monkeypatch.setattr(ApiKeyQuerySet, "live", failing(OperationalError("away")))

    check_unavailable(client.get("/v1/files"))


def test_what_fails_outside_a_view_is_503_too():
    def respond(request: HttpRequest) -> Any:
        raise AssertionError

    request = HttpRequest()
    request.path = "/v1/files"
    middleware = ApiMiddleware(respond)

    response = middleware.process_exception(request, OperationalError("away"))

    assert response is not None and response.status_code == 503
    assert response["Retry-After"]


@pytest.mark.parametrize("kind", [IntegrityError, ProgrammingError])
def test_a_statement_that_is_wrong_is_our_own_fault(monkeypatch, kind):
    client = make_client()
    monkeypatch.setattr(BatchViewSet, "list", failing(kind("no such column")))

    assert client.get("/v1/batches").status_code == 500


def test_it_is_logged_with_its_cause(monkeypatch, caplog):
    client = make_client()
    monkeypatch.setattr(BatchViewSet, "list", failing(OperationalError("refused")))

    client.get("/v1/batches")

    assert "refused" in caplog.text


@pytest.mark.parametrize(
    ("name", "value"), [("sqlite_errorname", "SQLITE_FULL"), ("sqlstate", "53100")]
)
def test_a_database_whose_disk_is_full_is_507(monkeypatch, name, value):
    cause = Exception("full")
    setattr(cause, name, value)
    error = OperationalError("full")
    error.__cause__ = cause
    client = make_client()
    monkeypatch.setattr(BatchViewSet, "list", failing(error))

    response = client.get("/v1/batches")

    assert response.status_code == 507
    assert response.json()["error"]["code"] == "insufficient_storage"


@pytest.mark.skipif(
    "postgresql" not in settings.DATABASES["default"]["ENGINE"],
    reason="only PostgreSQL has a pool",
)
def test_an_exhausted_pool_counts_as_a_database_that_is_away():
    from django.db.backends.postgresql.base import DatabaseWrapper

    from vllm_batch.lib.errors import DatabaseUnavailable, as_passing

    pool = {"min_size": 1, "max_size": 1, "timeout": 0.2}
    options = {**settings.DATABASES["default"].get("OPTIONS", {}), "pool": pool}
    whole: dict[str, Any] = {**settings.DATABASES["default"], "OPTIONS": options}
    for name in ("TIME_ZONE", "CONN_HEALTH_CHECKS", "CONN_MAX_AGE"):
        whole.setdefault(name, None)
    whole.update(AUTOCOMMIT=True, CONN_MAX_AGE=0, CONN_HEALTH_CHECKS=False)
    first, second = DatabaseWrapper(whole, "pooled"), DatabaseWrapper(whole, "pooled")
    try:
        first.ensure_connection()
        with pytest.raises(OperationalError) as refusal:
            second.ensure_connection()
    finally:
        first.close()
        first.close_pool()

    assert isinstance(as_passing(refusal.value), DatabaseUnavailable)
