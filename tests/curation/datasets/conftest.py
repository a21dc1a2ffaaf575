"""Fixtures of this folder's tests."""

from pathlib import Path

import pytest

from tests.fixtures import configure, quick_passwords, storage

__all__ = ["configure", "quick_passwords", "storage"]


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """Where an export goes: nothing is there yet."""
    return tmp_path / "out"
