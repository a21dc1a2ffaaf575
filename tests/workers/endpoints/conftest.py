"""Fixtures of this folder's tests: short waits, and stub servers as real processes."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.fixtures import configure, quick_passwords, storage
from tests.workers.endpoints.servers import StubProcess
from workers.engines.fleet import endpoint, watch

__all__ = ["configure", "quick_passwords", "storage"]
StartStub = Callable[[], StubProcess]


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look often, and begin with short pauses."""
    monkeypatch.setattr(endpoint, "FIRST_WAIT_SECONDS", 0.01)
    monkeypatch.setattr(watch, "TICK_SECONDS", 0.01)


@pytest.fixture
def start_stub(tmp_path: Path) -> Iterator[StartStub]:
    """A function that starts a stub server as a process of its own."""
    stubs: list[StubProcess] = []

    def start() -> StubProcess:
        stubs.append(StubProcess(tmp_path, f"stub-{len(stubs)}").start())
        return stubs[-1]

    yield start
    for stub in stubs:
        stub.kill()
