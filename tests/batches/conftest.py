"""Fixtures of this folder's tests."""

import pytest

from batches.models import Chunk
from tests.factories import lines, make_batch, make_chunk
from tests.fixtures import configure, quick_passwords, storage

__all__ = ["chunk", "configure", "quick_passwords", "storage"]


@pytest.fixture
def chunk() -> Chunk:
    """A chunk of three lines."""
    batch = make_batch(*lines(3), status="in_progress", total=3)
    return make_chunk(batch, span=3, line_count=3)
