"""The libraries that read the exports accept them: datasets, TRL; OpenAI's checks."""

import importlib.util
import multiprocessing
from collections import Counter
from collections.abc import Callable, Iterator
from multiprocessing.pool import Pool
from typing import Any

import pytest

from tests.curation.datasets import trainers
from tests.curation.datasets.exporting import (
    DIALOGUE,
    TOOLS,
    WITH_TOOLS,
    dataset,
    export,
    rows,
)

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def trainers_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pool]:
    """One process for all: to import the libraries takes far longer than to read."""
    home = str(tmp_path_factory.mktemp("trainers"))
    context = multiprocessing.get_context("spawn")
    with context.Pool(1, trainers.begin, [home]) as pool:
        yield pool


@pytest.fixture
def read_with(trainers_process: Pool) -> Callable[..., Any]:
    """A function that lets a library read an export, in the process of trainers."""

    def read(library: str, call: Callable[..., Any], *arguments: object) -> Any:
        if importlib.util.find_spec(library) is None:
            pytest.skip(f"{library} is not installed")
        done = trainers_process.apply_async(call, [str(one) for one in arguments])
        return done.get(timeout=240)

    return read


@pytest.mark.parametrize(
    ("profile", "kind", "columns"),
    [
        ("trl-sft", "sft", ["completion", "prompt"]),
        ("trl-dpo", "dpo", ["chosen", "prompt", "rejected"]),
        ("trl-kto", "kto", ["completion", "label", "prompt"]),
        ("openai-sft", "sft", ["messages"]),
        ("alpaca", "sft", ["history", "input", "instruction", "output", "system"]),
        ("sharegpt", "sft", ["conversations", "system"]),
    ],
)
def test_datasets_loads_jsonl(profile, kind, columns, tmp_path, read_with):
    dataset(kind, *[DIALOGUE] * 12)
    export(profile, tmp_path / "out.jsonl")

    found = read_with("datasets", trainers.jsonl, tmp_path / "out.jsonl")

    assert found["columns"] == columns and found["rows"] == (
        24 if kind == "kto" else 12
    )


@pytest.mark.parametrize("kind", ["sft", "dpo", "kto"])
@pytest.mark.parametrize("tools", [False, True])
def test_datasets_loads_the_folder(kind, tools, tmp_path, read_with):
    prompts = [{"messages": WITH_TOOLS, "tools": TOOLS}] if tools else []
    version = dataset(kind, *prompts, *[DIALOGUE] * 12, test_ratio=0.4)
    export("hf", tmp_path / "out")

    found = read_with("datasets", trainers.folder, tmp_path / "out", kind)

    assert found["rows"] == {
        split: version.members.filter(split=split).count()
        for split in ("test", "train")
    }
    assert ("tools" in found["columns"]) == tools


def test_datasets_loads_csv(tmp_path, read_with):
    dataset("dpo", "=1", "b?")
    export("csv", tmp_path / "out.csv")

    found = read_with("datasets", trainers.csv, tmp_path / "out.csv")

    assert found["rows"] == 2 and found["first"]["prompt"] == "'=1"


@pytest.mark.parametrize(
    ("profile", "kind", "keys"),
    [
        ("trl-sft", "sft", ["completion", "prompt"]),
        ("trl-dpo", "dpo", ["chosen", "prompt", "rejected"]),
        ("trl-kto", "kto", ["completion", "label", "prompt"]),
    ],
)
@pytest.mark.parametrize("tools", [False, True])
@pytest.mark.vllm
def test_trl_formats_the_rows(profile, kind, keys, tools, tmp_path, read_with):
    if importlib.util.find_spec("transformers") is None:
        pytest.skip("transformers is not installed")
    from demo.make_tiny_model import save_tokenizer

    save_tokenizer(tmp_path)
    prompts = [{"messages": WITH_TOOLS, "tools": TOOLS}] if tools else []
    dataset(kind, *prompts, *[DIALOGUE] * 2)
    export(profile, tmp_path / "out.jsonl")

    found = read_with("trl", trainers.trl, tmp_path / "out.jsonl", tmp_path)

    assert found["is_conversational"] and set(keys) <= set(found["keys"])
    answer = rows(tmp_path / "out.jsonl")[-1]
    last = (answer.get("chosen") or answer["completion"])[0]["content"]
    assert last in found["last"] and "One?" in found["last_prompt"]


def cookbook_errors(examples: list[Any]) -> Counter[str]:
    """The format checks that OpenAI documents for chat fine-tuning."""
    errors: Counter[str] = Counter()
    known = ("role", "content", "name", "function_call", "weight")
    for example in examples:
        if not isinstance(example, dict):
            errors["data_type"] += 1
            continue
        messages = example.get("messages")
        if not messages:
            errors["missing_messages_list"] += 1
            continue
        for message in messages:
            if "role" not in message or "content" not in message:
                errors["message_missing_key"] += 1
            if any(key not in known for key in message):
                errors["message_unrecognized_key"] += 1
            if message.get("role") not in ("system", "user", "assistant", "function"):
                errors["unrecognized_role"] += 1
            content = message.get("content")
            if not content or not isinstance(content, str):
                errors["missing_content"] += 1
        if not any(message.get("role") == "assistant" for message in messages):
            errors["example_missing_assistant_message"] += 1
    return errors


def test_openais_documented_checks_find_nothing(tmp_path):
    dataset("sft", *[DIALOGUE] * 12)
    export("openai-sft", tmp_path / "out")

    examples = rows(tmp_path / "out")

    assert len(examples) >= 10 and cookbook_errors(examples) == Counter()
    assert all(one["messages"][-1]["role"] == "assistant" for one in examples)


def test_openais_rules_of_preferences_hold(tmp_path):
    dataset("dpo", *[DIALOGUE] * 12)
    export("openai-dpo", tmp_path / "out")

    for row in rows(tmp_path / "out"):
        assert set(row) == {"input", "preferred_output", "non_preferred_output"}
        assert row["input"]["messages"][-1]["role"] == "user"
        for side in ("preferred_output", "non_preferred_output"):
            (message,) = row[side]
            assert message["role"] == "assistant" and message["content"].strip()
        assert row["preferred_output"] != row["non_preferred_output"]
