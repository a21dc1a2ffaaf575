"""Keys in the admin."""

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.test import Client

from accounts.models import ApiKey, Project, digest
from tests.factories import make_key, make_project

pytestmark = pytest.mark.django_db
KEYS = "/admin/vllm_accounts/apikey/"


def add_key(admin_client: Client, project: Project, **fields: Any) -> Any:
    form = {
        "project": project.pk,
        "name": "from the admin",
        "scopes": ["files:read"],
        "expires_at_0": "",
        "expires_at_1": "",
        **fields,
    }
    return admin_client.post(f"{KEYS}add/", form, follow=True)


def shown_secret(response: Any) -> str:
    texts = [str(message) for message in response.context["messages"]]
    return next(text for text in texts if "sk-vb-" in text).split()[-1]


def test_adding_a_key_shows_its_secret(admin_client):
    response = add_key(admin_client, make_project())

    secret = shown_secret(response)
    assert ApiKey.objects.get().digest == digest(secret)
    assert secret in response.content.decode()


def test_the_secret_is_shown_only_once(admin_client):
    secret = shown_secret(add_key(admin_client, make_project()))
    key = ApiKey.objects.get()

    pages = [admin_client.get(KEYS), admin_client.get(f"{KEYS}{key.pk}/change/")]

    assert not any(secret in page.content.decode() for page in pages)
    assert not any(secret in str(entry) for entry in LogEntry.objects.values())


def test_a_key_knows_who_made_it(admin_client, admin_user):
    add_key(admin_client, make_project())

    assert ApiKey.objects.get().created_by == admin_user


def test_a_key_from_the_admin_opens_the_door(admin_client, client):
    secret = shown_secret(add_key(admin_client, make_project()))

    response = client.get("/v1/files", headers={"Authorization": f"Bearer {secret}"})

    assert response.status_code == 200


def test_changing_a_key_keeps_its_secret(admin_client):
    key, _ = make_key()
    form = {"project": key.project_id, "name": "renamed", "scopes": ["files:read"]}

    admin_client.post(f"{KEYS}{key.pk}/change/", form)

    changed = ApiKey.objects.get()
    assert (changed.name, changed.scopes) == ("renamed", ["files:read"])
    assert changed.digest == key.digest


def test_an_unknown_scope_is_not_accepted(admin_client):
    add_key(admin_client, make_project(), scopes=["root"])

    assert not ApiKey.objects.exists()


def test_the_action_revokes_the_selected_keys(admin_client, client):
    key, secret = make_key()
    other, _ = make_key()

    action = {"action": "revoke", "_selected_action": [key.pk]}
    admin_client.post(KEYS, action)

    headers = {"Authorization": f"Bearer {secret}"}
    assert client.get("/v1/files", headers=headers).status_code == 401
    other.refresh_from_db()
    assert other.revoked_at is None


def test_revoking_again_keeps_the_first_moment(admin_client):
    key, _ = make_key()
    action = {"action": "revoke", "_selected_action": [key.pk]}
    admin_client.post(KEYS, action)
    key.refresh_from_db()
    first = key.revoked_at

    admin_client.post(KEYS, action)

    key.refresh_from_db()
    assert first is not None and key.revoked_at == first


def test_keys_cannot_be_deleted(admin_client):
    key, _ = make_key()

    response = admin_client.post(f"{KEYS}{key.pk}/delete/", {"post": "yes"})

    assert response.status_code == 403 and ApiKey.objects.exists()


def test_the_list_says_which_keys_work(admin_client):
    make_key(name="a live one")

    page = admin_client.get(KEYS).content.decode()

    assert "a live one" in page and "live" in page


def test_the_admin_is_closed_to_strangers(client):
    response = client.get(KEYS)

    assert response.status_code == 302 and "/admin/login/" in response["Location"]


def test_who_may_only_look_cannot_revoke(client, django_user_model):
    key, secret = make_key()
    user = django_user_model.objects.create_user("looker", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_apikey"))
    client.force_login(user)

    client.post(KEYS, {"action": "revoke", "_selected_action": [key.pk]})

    key.refresh_from_db()
    assert key.revoked_at is None
