"""API keys: what is stored, and which requests they open the door to."""

import hashlib
from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.test import Client
from django.utils import timezone

from accounts.models import SCOPES, ApiKey
from tests.factories import make_client, make_key, make_project

pytestmark = pytest.mark.django_db


def get_files(secret: str) -> Any:
    return Client().get("/v1/files", headers={"Authorization": f"Bearer {secret}"})


def test_a_key_starts_with_its_prefix():
    key, secret = make_key()

    assert secret.startswith("sk-vb-")
    assert secret.startswith(key.prefix) and len(key.prefix) == 14


def test_a_key_holds_256_random_bits():
    _, first = make_key()
    _, second = make_key()

    assert first != second and len(first) == len("sk-vb-") + 43


def test_only_prefix_and_sha256_of_a_key_are_stored():
    key, secret = make_key()

    row = ApiKey.objects.filter(pk=key.pk).values().get()
    assert row["digest"] == hashlib.sha256(secret.encode()).hexdigest()
    assert not any(secret in str(value) for value in row.values())


def test_a_new_key_has_every_scope():
    key, _ = make_key()

    assert key.scopes == list(SCOPES)


def test_an_unknown_scope_is_refused():
    with pytest.raises(ValidationError, match="Scopes are: files:read"):
        make_key(scopes=["files:everything"])


def test_a_live_key_opens_the_door():
    _, secret = make_key()

    response = get_files(secret)

    assert response.status_code == 200


def test_the_scheme_may_be_written_in_lower_case():
    _, secret = make_key()

    headers = {"Authorization": f"bearer {secret}"}
    response = Client().get("/v1/files", headers=headers)

    assert response.status_code == 200


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Basic YTpi",
        "Bearer a b",
        "Bearer schlüssel",
        "Bearer sk-vb-unknown",
        "Bearer " + "x" * 5000,
    ],
)
def test_anything_but_a_live_key_is_unauthorized(header):
    response = Client().get("/v1/files", headers={"Authorization": header})

    assert response.status_code == 401
    assert response.json()["error"]["code"] == "invalid_api_key"


def test_a_request_without_the_header_is_told_how_to_send_a_key():
    response = Client().get("/v1/batches")

    assert response.status_code == 401
    assert "Authorization: Bearer" in response.json()["error"]["message"]


def test_a_wrong_secret_behind_a_right_prefix_is_refused():
    _, secret = make_key()

    response = get_files(secret[:-1] + ("a" if secret[-1] != "a" else "b"))

    assert response.status_code == 401


def test_a_refused_key_is_not_echoed():
    secret = "sk-vb-this-one-is-wrong-but-secret"

    response = get_files(secret)

    assert secret[7:] not in response.content.decode()


def test_an_expired_key_is_refused():
    _, secret = make_key(expires_at=timezone.now() - timedelta(seconds=1))

    response = get_files(secret)

    assert response.status_code == 401


def test_a_key_that_expires_later_works_until_then():
    _, secret = make_key(expires_at=timezone.now() + timedelta(minutes=1))

    response = get_files(secret)

    assert response.status_code == 200


def test_a_revoked_key_is_refused_like_an_unknown_one():
    key, secret = make_key()
    ApiKey.objects.filter(pk=key.pk).update(revoked_at=timezone.now())

    response = get_files(secret)

    assert response.status_code == 401
    assert response.json()["error"]["code"] == "invalid_api_key"


def test_a_key_is_rotated_with_two_live_ones():
    project = make_project()
    old, old_secret = make_key(project)
    _, new_secret = make_key(project)
    both = [get_files(old_secret).status_code, get_files(new_secret).status_code]

    ApiKey.objects.filter(pk=old.pk).update(revoked_at=timezone.now())

    after = [get_files(old_secret).status_code, get_files(new_secret).status_code]
    assert both == [200, 200] and after == [401, 200]


def test_the_last_use_of_a_key_is_noted():
    key, secret = make_key()

    get_files(secret)

    key.refresh_from_db()
    assert key.last_used_at is not None


def test_the_last_use_is_not_written_at_every_request():
    key, secret = make_key()
    get_files(secret)
    key.refresh_from_db()
    first = key.last_used_at

    get_files(secret)

    key.refresh_from_db()
    assert key.last_used_at == first


OPERATIONS = [
    ("get", "/v1/files", "files:read"),
    ("get", "/v1/files/file-1", "files:read"),
    ("get", "/v1/files/file-1/content", "files:read"),
    ("post", "/v1/files", "files:write"),
    ("delete", "/v1/files/file-1", "files:write"),
    ("get", "/v1/batches", "batches:read"),
    ("get", "/v1/batches/batch_1", "batches:read"),
    ("post", "/v1/batches", "batches:write"),
    ("post", "/v1/batches/batch_1/cancel", "batches:write"),
    ("get", "/v1/models", "models:read"),
    ("get", "/v1/models/stub", "models:read"),
]


@pytest.mark.parametrize(("method", "path", "scope"), OPERATIONS)
def test_an_operation_needs_its_scope(method, path, scope):
    others = [name for name in SCOPES if name != scope]
    client = make_client(scopes=others)

    response = getattr(client, method)(path)

    assert response.status_code == 403
    error = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert (error["type"], error["code"]) == ("permission_error", "insufficient_scope")
    assert scope in error["message"]


@pytest.mark.parametrize(("method", "path", "scope"), OPERATIONS)
def test_the_scope_alone_is_enough(method, path, scope):
    client = make_client(scopes=[scope])

    response = getattr(client, method)(path)

    assert response.status_code in (200, 400, 404, 415)


def test_a_head_request_needs_the_scope_of_a_get():
    client = make_client(scopes=["files:write"])

    response = client.head("/v1/files")

    assert response.status_code == 403
