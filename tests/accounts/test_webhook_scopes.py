"""Keys that might do everything may do webhooks too, once that is migrated."""

import importlib

import pytest
from django.apps import apps

from accounts.models import SCOPES
from tests.factories import make_key

pytestmark = pytest.mark.django_db
migration = importlib.import_module("accounts.migrations.0002_webhook_scopes")
OLD = [scope for scope in SCOPES if not scope.startswith("webhooks:")]


def test_a_key_with_everything_gets_the_new_scopes():
    key, _ = make_key(scopes=OLD)

    migration.grant(apps, None)

    key.refresh_from_db()
    assert key.scopes == list(SCOPES)


def test_a_key_with_less_stays_as_it_is():
    key, _ = make_key(scopes=OLD[1:])

    migration.grant(apps, None)

    key.refresh_from_db()
    assert key.scopes == OLD[1:]


def test_going_back_takes_them_away():
    key, _ = make_key()

    migration.withdraw(apps, None)

    key.refresh_from_db()
    assert key.scopes == OLD
