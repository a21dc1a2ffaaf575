"""Fixtures of the conformance cases."""

from collections.abc import Iterator

import pytest

from tests.conformance.client import Api
from tests.rig.stack import Stack


@pytest.fixture
def api(stack: Stack) -> Iterator[Api]:
    """A project of its own on the shared stack."""
    api = Api(stack.base_url, stack.new_key())
    yield api
    api.http.close()
    api.client.close()


@pytest.fixture
def stranger(stack: Stack) -> Iterator[Api]:
    """Another project."""
    api = Api(stack.base_url, stack.new_key())
    yield api
    api.http.close()
    api.client.close()
