"""Marks of tests that need a library which may not be there."""

from importlib.util import find_spec

import pytest


def _without(library: str, name: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(
        find_spec(library) is None, reason=f"{name} is not installed"
    )


REAL_VLLM = [pytest.mark.vllm, _without("vllm", "vLLM")]
TRANSFORMERS = [
    pytest.mark.vllm,
    _without("transformers", "transformers"),
    # Its own warnings are none of ours.
    pytest.mark.filterwarnings("ignore"),
]
