"""The admin's login: limited tries, and nothing to be learnt from its answers."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from tests.rig.process import ROOT

pytestmark = pytest.mark.django_db
LOGIN, PASSWORD = "/admin/login/", "correct horse battery"


@pytest.fixture
def limit(configure: Callable[..., None]) -> Callable[..., None]:
    def apply(address: int = 0, name: int = 0) -> None:
        configure(RATE_LOGINS_PER_ADDRESS=address, RATE_LOGINS_PER_NAME=name)

    return apply


@pytest.fixture
def eve() -> Any:
    users: Any = get_user_model().objects
    return users.create_superuser("eve", password=PASSWORD)


def attempt(name: str, password: str = "wrong", address: str = "203.0.113.1") -> Any:
    form = {"username": name, "password": password}
    return Client().post(LOGIN, form, REMOTE_ADDR=address)


def test_the_right_password_opens(limit, eve):
    limit(address=3, name=3)

    assert attempt("eve", PASSWORD).status_code == 302


def test_an_address_has_so_many_tries_a_minute(limit, eve):
    limit(address=3)

    found = [attempt(f"name {number}") for number in range(4)]

    assert [page.status_code for page in found] == [200, 200, 200, 429]
    assert 1 <= int(found[3]["Retry-After"]) <= 60
    assert attempt("eve", PASSWORD).status_code == 429
    assert attempt("eve", PASSWORD, "203.0.113.2").status_code == 302


@pytest.mark.parametrize("spelling", ["eve", "EVE", " eve ", "\uff45ve"])
def test_a_name_has_so_many_tries_an_hour_from_everywhere(limit, eve, spelling):
    limit(name=2)
    for number in range(2):
        attempt("eve", address=f"198.51.100.{number}")

    page = attempt(spelling, PASSWORD, "198.51.100.99")

    assert page.status_code == 429 and 1 <= int(page["Retry-After"]) <= 3600


def test_an_invented_address_is_no_new_one(limit, eve):
    limit(address=2)

    found = [
        Client().post(LOGIN, {"username": "eve"}, HTTP_X_FORWARDED_FOR=f"9.9.9.{n}")
        for n in range(3)
    ]

    assert found[2].status_code == 429


def test_looking_at_the_form_is_no_try(limit, client):
    limit(address=1, name=1)

    assert {client.get(LOGIN).status_code for _ in range(5)} == {200}


def without_name_and_token(page: Any) -> str:
    text = page.content.decode()
    text = re.sub(r'name="csrfmiddlewaretoken" value="\w+"', "", text)
    return re.sub(r'value="[^"]*"', "", text)


def test_nobody_learns_which_names_there_are(eve):
    users: Any = get_user_model().objects
    users.create_user("clerk", password=PASSWORD)  # no staff
    users.create_user("gone", password=PASSWORD, is_staff=True, is_active=False)

    tries = [("eve", "x"), ("nobody", "x"), ("clerk", PASSWORD), ("gone", PASSWORD)]
    pages = {without_name_and_token(attempt(*one)) for one in tries}

    assert len(pages) == 1


def test_a_refused_try_tells_nothing_of_the_password(limit, eve):
    limit(address=1)
    attempt("eve")

    right, wrong = attempt("eve", PASSWORD), attempt("eve", "x")

    assert right.content == wrong.content and "sessionid" not in right.cookies


def test_a_login_lasts_as_long_as_set(client, eve, settings):
    client.post(LOGIN, {"username": "eve", "password": PASSWORD})

    cookie = client.cookies["sessionid"]
    assert cookie["max-age"] == settings.SESSION_COOKIE_AGE == 43_200
    assert cookie["httponly"] and cookie["samesite"] == "Lax"


def test_a_login_gets_a_new_session(client, eve):
    client.get(LOGIN)
    client.cookies["sessionid"] = "chosen-by-an-attacker"

    client.post(LOGIN, {"username": "eve", "password": PASSWORD})

    assert client.cookies["sessionid"].value != "chosen-by-an-attacker"


@pytest.mark.parametrize(
    "target", ["https://evil.example/", "//evil.example", "javascript:alert(1)"]
)
def test_nobody_is_sent_elsewhere_after_it(client, eve, target):
    form = {"username": "eve", "password": PASSWORD, "next": target}

    response = client.post(LOGIN, form)

    assert response.status_code == 302 and "evil" not in response["Location"]
    assert "javascript" not in response["Location"]


def test_the_admins_own_login_is_behind_this_one():
    routes = (ROOT / "vllm_batch/urls.py").read_text()

    assert routes.index("login/") < routes.index("admin.site.urls")
