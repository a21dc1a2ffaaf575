"""The engine ray keeps what every engine promises, with a real actor behind it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.workers.engines.test_engine_contract import *  # noqa: F403
from tests.workers.ray.nodes import Nodes
from tests.workers.ray.telling import ray_engine
from tests.workers.servers import EngineMaker
from workers.engines.base import Engine


@pytest.fixture  # type: ignore[no-redef]
def make(nodes: Nodes) -> EngineMaker:
    """Makes engines with one replica."""

    @asynccontextmanager
    async def on_ray() -> AsyncIterator[Engine]:
        yield ray_engine(max_replicas=1)

    return on_ray


def test_the_manifest_is_its_replicas(make: Any):
    from tests.workers.servers import run

    async def work(engine: Engine) -> dict[str, Any]:
        return engine.manifest()

    assert run(make, work)["engine_args"] == {"concurrency": 16}
