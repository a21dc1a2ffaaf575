"""Fixtures of the fault tests. FAULTS=long or full runs longer forms."""

import os
import random
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.rig.history import Recorder
from tests.rig.rig import Rig


@pytest.fixture(scope="session")
def shared_rig() -> Iterator[Rig]:
    """The stack all fault tests disturb, one after the other."""
    rig = Rig()
    try:
        rig.start()
        yield rig
    finally:
        rig.stop()


@pytest.fixture
def rig(shared_rig: Rig, request: Any) -> Iterator[Rig]:
    """The stack, with every process in its place before the test."""
    shared_rig.tree.wait_until_complete()
    yield shared_rig
    shared_rig.disarm()
    report = getattr(request.node, "report_of_call", None)
    if report is None or report.failed:
        print(shared_rig.stack.logs())


@pytest.fixture
def client(rig: Rig, tmp_path: Path) -> Iterator[Recorder]:
    """A project's client whose history is judged by the test."""
    recorder = rig.recorder(tmp_path)
    yield recorder
    recorder.close()


@pytest.fixture
def rng() -> random.Random:
    """All random choices; FAULTS_SEED repeats them."""
    seed = int(os.environ.get("FAULTS_SEED") or random.SystemRandom().randrange(10**6))
    print(f"FAULTS_SEED={seed}")
    return random.Random(seed)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: Any, call: Any) -> Generator[None, Any, Any]:
    """Let fixtures know whether the test failed."""
    report: Any = yield
    if report.when == "call":
        item.report_of_call = report
    return report
