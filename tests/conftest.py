"""Fixtures of all tests; processes are in `tests/rig`."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.rig.process import ROOT
from tests.rig.stack import Stack


@pytest.fixture(autouse=True)
def unhurried(settings: Any) -> None:
    """Limit no rate: tests ask faster than clients do. `tests/limits` sets its own."""
    off = {
        name: 0
        for name in type(settings.VLLM_BATCH).model_fields
        if name[:5] == "RATE_"
    }
    settings.VLLM_BATCH = settings.VLLM_BATCH.model_copy(update=off)


@pytest.fixture(autouse=True)
def static_files_when_asked(settings: Any) -> None:
    """Look for static files when one is asked for: each test client would list all."""
    settings.WHITENOISE_AUTOREFRESH = True


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """The whole product on stub engines, shared: each test has its own project."""
    stack = Stack(
        BATCH_COMPLETION_WINDOWS="24h,5s",
        WORKER_LEASE_SECONDS="10",
        WEBHOOK_ALLOW_HTTP="true",
        WEBHOOK_ALLOWED_HOSTS="127.0.0.1:*",
        WEBHOOK_RETRY_SECONDS="1,1,1",
    )
    with stack.watched():
        stack.start()
        yield stack


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's tiny model, made once; nobody writes into its folder."""
    folder = tmp_path_factory.mktemp("model") / "tiny"
    script = str(ROOT / "demo" / "make_tiny_model.py")
    subprocess.run([sys.executable, script, str(folder)], check=True)
    return folder
