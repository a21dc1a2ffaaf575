"""Fixtures of Label Studio's tests."""

from collections.abc import Iterator
from typing import Any

import pytest

from accounts.models import Project
from curation.models import Task
from tests.curation.label_studio.cast import make_batch_of, push_all, tasks
from tests.curation.label_studio.server import PERSONAL, Server, running
from tests.factories import make_project
from tests.fixtures import configure, quick_passwords, storage

__all__ = ["configure", "quick_passwords", "storage"]


@pytest.fixture
def server(configure: Any) -> Iterator[Server]:
    """A Label Studio that the settings name."""
    with running() as server:
        configure(
            LABEL_STUDIO_URL=server.url,
            LABEL_STUDIO_TOKEN=PERSONAL,
            LABEL_STUDIO_HOOK_SECRET="a secret of sixteen",
        )
        yield server


@pytest.fixture
def project(db: None) -> Project:
    """A tenant."""
    return make_project("colours")


@pytest.fixture
def pair(server: Server, project: Project) -> Task:
    """A pair that lies in Label Studio."""
    for model in ("red", "blue"):
        make_batch_of(project, model, 1)
    push_all()
    (task,) = tasks()
    return task


@pytest.fixture
def remote(server: Server, pair: Task) -> dict[str, Any]:
    """The same over there."""
    (remote,) = server.of(pair)
    return remote
