"""Examples are counted by the model's own tokenizer and template."""

import pytest

from tests.curation.datasets.exporting import dataset, export
from tests.factories import make_model
from tests.marks import TRANSFORMERS

pytestmark = [pytest.mark.django_db, *TRANSFORMERS]


def test_tokens_are_counted(tmp_path):
    from transformers import AutoTokenizer

    from demo.make_tiny_model import save_tokenizer

    save_tokenizer(tmp_path)
    make_model("tiny", engine="vllm", source=str(tmp_path))
    dataset("sft", "def f(): pass", texts=("return 1 " * 2000, "x"))

    text = export("trl-sft", tmp_path / "out", tokenizer="tiny")

    messages = [
        {"role": "user", "content": "def f(): pass"},
        {"role": "assistant", "content": "return 1 " * 2000},
    ]
    rendered = AutoTokenizer.from_pretrained(tmp_path).apply_chat_template(
        messages, tokenize=False, add_generation_prompt=False
    )
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    count = len(tokenizer.encode(rendered, add_special_tokens=False))
    assert f"{count} at most; 1 rows are over 1024" in text
    assert "nothing of them is trained" not in text


def test_prompts_that_leave_nothing_to_train_are_counted(tmp_path):
    from demo.make_tiny_model import save_tokenizer

    save_tokenizer(tmp_path)
    make_model("tiny", engine="vllm", source=str(tmp_path))
    dataset("dpo", "def f(): pass " * 2000, texts=("return 1", "return 2"))

    text = export("trl-dpo", tmp_path / "out", tokenizer="tiny")

    assert "1 rows: their prompt alone fills TRL's 1024 tokens" in text
