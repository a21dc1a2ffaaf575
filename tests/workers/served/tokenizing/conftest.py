"""The tiny model with its own tokenizer, and what transformers makes of it."""

from pathlib import Path
from typing import Any

import pytest

from tests.factories import make_model


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model's tokenizer."""
    from demo.make_tiny_model import save_tokenizer

    made = tmp_path_factory.mktemp("tiny")
    save_tokenizer(made)
    return made


@pytest.fixture(scope="module")
def reference(folder: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder)


@pytest.fixture(autouse=True)
def model(folder: Path) -> Any:
    args = {"max_model_len": 200}
    return make_model("tiny", engine="vllm", source=str(folder), engine_args=args)
