"""A plugin for pytest-xdist: each of its processes has a DATA_DIR of its own.

Loaded by `-p tests.rig.parallel`, before Django reads its settings. Wants
`--no-loadscope-reorder`, for files with real processes come first: so that the last
minutes are many short tests, not one long one beside an idle processor.
"""

import os
from pathlib import Path

import pytest

LONG = ("vllm", "topology", "conformance", "browser", "prometheus")

if worker := os.environ.get("PYTEST_XDIST_WORKER"):
    folder = Path(os.environ["DATA_DIR"]) / worker
    folder.mkdir(exist_ok=True)
    os.environ["DATA_DIR"] = str(folder)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put what takes long in front, otherwise in the order there is."""
    items.sort(key=_length)


def _length(item: pytest.Item) -> int:
    marks = [LONG.index(mark.name) for mark in item.iter_markers() if mark.name in LONG]
    return min(marks, default=len(LONG))
