"""The stack behind nginx, shared by the tests of the topology."""

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from tests.conformance.client import Api
from tests.rig.stack import Stack
from tests.topology.clients import project
from tests.topology.nginx import PREFIX, Nginx, find_nginx


@pytest.fixture(scope="session")
def deployed() -> Iterator[Stack]:
    """Server and worker as they run behind nginx, on stub engines."""
    stack = Stack(
        DOWNLOAD_ACCEL_PREFIX=PREFIX,
        TRUSTED_PROXIES="127.0.0.1",
        WORKER_LEASE_SECONDS="10",
        LOG_FORMAT="json",
    )
    with stack.watched():
        stack.start()
        yield stack


@pytest.fixture(scope="session")
def nginx(deployed: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nginx]:
    """The nginx in front of it."""
    if not find_nginx():
        pytest.skip("nginx is neither here nor may it be installed")
    folder = tmp_path_factory.mktemp("nginx")
    server = urlsplit(deployed.base_url).netloc
    nginx = Nginx(folder, server, deployed.folder / "batch")
    nginx.start()
    yield nginx
    nginx.stop()


@pytest.fixture
def api(deployed: Stack, nginx: Nginx) -> Iterator[Api]:
    """A project of its own, reached through nginx."""
    with project(nginx.base_url, deployed.new_key()) as api:
        yield api
