"""Fixtures of the tests against the real Label Studio: see tests/label_studio.sh."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from accounts.models import Project
from tests.factories import make_project
from tests.fixtures import configure, quick_passwords, storage
from tests.label_studio.server import Server

__all__ = ["configure", "quick_passwords", "storage"]

SECRET = "a secret of sixteen"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    if not os.environ.get("LABEL_STUDIO_VENV"):
        for item in items:
            if item.path.is_relative_to(here):
                reason = "tests/label_studio.sh installs Label Studio"
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def shared_server() -> Iterator[Server]:
    """One server for all tests: each has its own queue, and so its own project."""
    server = Server()
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture
def server(shared_server: Server, configure: Any) -> Server:
    """The server, in our settings, with a personal access token."""
    configure(
        LABEL_STUDIO_URL=shared_server.url,
        LABEL_STUDIO_TOKEN=shared_server.personal_token(),
        LABEL_STUDIO_HOOK_SECRET=SECRET,
    )
    return shared_server


@pytest.fixture
def project(db: None) -> Project:
    """A tenant."""
    return make_project("colours")
