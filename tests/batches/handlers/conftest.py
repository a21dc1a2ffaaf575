"""Fixtures of the handlers' tests."""

from collections.abc import Iterator
from typing import Any

import pytest

from batches.handlers import registry
from tests.batches.handlers.cast import PATHS, Fake, Other


@pytest.fixture(autouse=True)
def fakes(settings: Any, monkeypatch: Any) -> Iterator[None]:
    """The fake handlers are the only ones but the webhooks', and have done nothing."""
    monkeypatch.setattr(registry, "_registered", {})
    settings.RESULT_HANDLERS = [*PATHS, *settings.RESULT_HANDLERS]
    Fake.calls.clear()
    Other.calls.clear()
    Fake.is_on, Fake.does = True, lambda results: True
    yield
    Fake.is_on, Fake.does = True, lambda results: True


@pytest.fixture
def loopback(configure: Any) -> None:
    """Webhooks may reach this machine, by http."""
    configure(
        WEBHOOK_ALLOW_HTTP=True,
        WEBHOOK_ALLOWED_HOSTS=["127.0.0.1:*", "localhost:*", "[::1]:*"],
    )
