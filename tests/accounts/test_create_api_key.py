"""The command `create_api_key`."""

from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from accounts.models import SCOPES, ApiKey, Project
from tests.factories import make_project

pytestmark = pytest.mark.django_db


def create(**options: Any) -> list[str]:
    output = StringIO()
    arguments = {"project": "alpha", "name": "ci", **options}
    call_command("create_api_key", stdout=output, **arguments)
    return output.getvalue().splitlines()


def test_the_last_line_is_the_key(client):
    secret = create()[-1]

    response = client.get("/v1/files", headers={"Authorization": f"Bearer {secret}"})
    assert response.status_code == 200


def test_the_project_is_made_if_it_is_not_there():
    create(project="beta")

    assert ApiKey.objects.get().project.name == "beta"


def test_a_project_that_is_there_is_used():
    project = make_project("gamma")

    create(project="gamma")

    assert ApiKey.objects.get().project == project
    assert Project.objects.count() == 1


def test_the_key_has_every_scope_unless_told_otherwise():
    create()

    assert ApiKey.objects.get().scopes == list(SCOPES)


def test_the_key_has_the_scopes_asked_for():
    create(scopes=["files:read", "batches:read"])

    assert ApiKey.objects.get().scopes == ["files:read", "batches:read"]


def test_the_key_never_expires_unless_told_otherwise():
    create()

    assert ApiKey.objects.get().expires_at is None


def test_the_key_expires_after_the_days_asked_for():
    before = timezone.now()

    create(expires_days=3)

    expires_at = ApiKey.objects.get().expires_at
    assert expires_at is not None
    assert before <= expires_at - timedelta(days=3) <= timezone.now()


@pytest.mark.parametrize("days", [0, -1])
def test_a_life_of_less_than_a_day_is_refused(days):
    with pytest.raises(CommandError, match="--expires-days takes 1 to"):
        create(expires_days=days)

    assert not ApiKey.objects.exists()


def test_an_unknown_scope_is_refused_with_the_list_of_scopes():
    with pytest.raises(CommandError, match="Scopes are: files:read, files:write"):
        create(scopes=["root"])

    assert not ApiKey.objects.exists()


def test_a_name_that_is_too_long_is_refused():
    with pytest.raises(CommandError, match="at most 100 characters"):
        create(name="x" * 101)


def test_project_and_name_are_required():
    with pytest.raises(CommandError, match="--project"):
        call_command("create_api_key")


def test_a_key_that_is_refused_leaves_no_project():
    with pytest.raises(CommandError, match="Scopes are"):
        create(project="new", scopes=["root"])

    assert not Project.objects.filter(name="new").exists()


@pytest.mark.parametrize("name", ["", "x" * 101])
def test_a_project_has_a_name_that_can_be_stored(name):
    with pytest.raises(CommandError, match="blank|at most 100"):
        create(project=name)


def test_a_life_beyond_the_calendar_is_refused():
    with pytest.raises(CommandError, match="1 to 36500 days"):
        create(expires_days=1_000_000_000)
