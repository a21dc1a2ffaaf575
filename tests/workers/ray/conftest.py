"""Ray clusters of several nodes on this machine, and engines on them."""

import os

# Before anything imports Ray: nodes listen on the loopback, and tell nobody.
os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
# A token that belongs to nobody, whatever this machine's user has at home.
os.environ["RAY_AUTH_MODE"], os.environ["RAY_AUTH_TOKEN"] = "token", "f" * 64

from collections.abc import Iterator  # noqa: E402
from typing import Any  # noqa: E402

import pytest  # noqa: E402

from tests.fixtures import configure, quick_passwords, storage  # noqa: E402
from tests.workers.ray.nodes import Nodes  # noqa: E402

__all__ = ["configure", "quick_passwords", "storage"]


@pytest.fixture(scope="module")
def shared_nodes() -> Iterator[Nodes]:
    """A head without room for replicas and two nodes with room for one each."""
    nodes = Nodes()
    try:
        nodes.start(rooms=2)
        yield nodes
    finally:
        nodes.stop()


@pytest.fixture
def nodes(shared_nodes: Nodes, settings: Any, configure: Any) -> Nodes:
    """The same, with both nodes alive, as what RAY_ADDRESS leads to."""
    shared_nodes.mend()
    settings.ENGINES = {
        **settings.ENGINES,
        "telling": "tests.workers.ray.engines.TellingEngine",
        "broken": "tests.workers.ray.engines.BrokenEngine",
    }
    configure(RAY_ADDRESS=shared_nodes.address, ENGINE_START_SECONDS=60)
    return shared_nodes
