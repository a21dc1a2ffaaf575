"""The pre-flight with a model's own tokenizer counts what transformers counts."""

import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from batches.models import BatchJob
from batches.tasks import attend
from tests.factories import CHAT, EMBEDDINGS, line, make_batch, make_model
from workers.served import tokenizing

COMPLETIONS, RESPONSES = "/v1/completions", "/v1/responses"
STRICT = "{{ raise_exception('roles must alternate') }}"
has_transformers = importlib.util.find_spec("transformers") is not None
pytestmark = [
    pytest.mark.django_db,
    pytest.mark.vllm,
    pytest.mark.skipif(not has_transformers, reason="transformers is not installed"),
    # Its own warnings are none of ours.
    pytest.mark.filterwarnings("ignore"),
]


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


def tiny(custom_id: str = "a", content: str = "def main():", **details: Any) -> Any:
    return line(custom_id, content, model="tiny", **details)


def attended(*items: Any, **fields: Any) -> BatchJob:
    batch = make_batch(*items, **fields)
    attend(batch.pk)
    batch.refresh_from_db()
    return batch


def report(*items: Any, endpoint: str = CHAT) -> dict[str, Any]:
    batch = attended(*items, endpoint=endpoint, is_dry_run=True)
    assert batch.status == "completed", batch.errors
    assert batch.preflight is not None
    found: dict[str, Any] = batch.preflight
    return found


def of_chat(reference: Any, messages: list[Any], **options: Any) -> int:
    """Return what transformers says of a chat."""
    ids = reference.apply_chat_template(
        messages, add_generation_prompt=True, return_dict=False, **options
    )
    return len(ids)


def user(content: Any) -> list[Any]:
    return [{"role": "user", "content": content}]


def test_chats_are_counted_as_transformers_counts_them(reference):
    contents = ["def main():", "", "naïve – 你好 🎉", "x " * 60, "<s>user: </s>"]

    found = report(*[tiny(f"l{n}", text) for n, text in enumerate(contents)])

    expected = sum(of_chat(reference, user(text)) for text in contents)
    assert found["input_tokens"] == expected
    assert found["tokenizer"] == "model" and found["tokenizer_reason"] is None
    assert found["counted_lines"] == 5 and "input_tokens" in found["exact"]


def test_conversations_are_counted_whole(reference):
    messages = [
        {"role": "system", "content": "Be brief."},
        *user("import os"),
        {"role": "assistant", "content": "No."},
        *user([{"type": "text", "text": "Why?"}]),
    ]

    found = report(tiny(messages=messages))

    plain = [*messages[:-1], *user("Why?")]
    assert found["input_tokens"] == of_chat(reference, plain)
    assert found["counted_lines"] == 1


@pytest.mark.parametrize(
    ("url", "body", "texts"),
    [
        (COMPLETIONS, {"prompt": "class A: pass"}, ["class A: pass"]),
        (COMPLETIONS, {"prompt": ["a b", "", "c"]}, ["a b", "", "c"]),
        (EMBEDDINGS, {"input": ["one", "two three"]}, ["one", "two three"]),
    ],
)
def test_texts_are_counted_as_transformers_counts_them(reference, url, body, texts):
    found = report(tiny(url=url, **body), endpoint=url)

    assert found["input_tokens"] == sum(len(reference.encode(t)) for t in texts)
    assert found["counted_lines"] == 1


@pytest.mark.parametrize(
    ("prompt", "tokens"), [([5, 6, 7], 3), ([[5, 6], [7], "x"], 4)]
)
def test_token_ids_are_counted_as_they_are(prompt, tokens):
    found = report(tiny(url=COMPLETIONS, prompt=prompt), endpoint=COMPLETIONS)

    assert found["input_tokens"] == tokens


def test_responses_are_chats(reference):
    item = tiny(url=RESPONSES, input="import os", instructions="Be brief.")

    found = report(item, endpoint=RESPONSES)

    system = {"role": "system", "content": "Be brief."}
    assert found["input_tokens"] == of_chat(reference, [system, *user("import os")])


def test_the_served_models_template_goes_before_the_tokenizers_own(reference, model):
    model.chat_template = "{% for m in messages %}{{ m['content'] }}{% endfor %}"
    model.save()

    found = report(tiny("a", "def main():"))

    assert found["input_tokens"] == len(reference.encode("def main():"))


def test_a_template_file_in_engine_args_is_read(reference, model, tmp_path):
    path = tmp_path / "short.jinja"
    path.write_text("{{ messages[0]['content'] }}")
    model.engine_args |= {"chat_template": str(path)}
    model.save()

    assert report(tiny("a", "hi"))["input_tokens"] == len(reference.encode("hi"))


def test_an_adapter_is_counted_with_its_bases_tokenizer(reference, model):
    model.lora_adapters = [{"name": "poet", "source": "/x"}]
    model.save()

    found = report(line("a", "def main():", model="poet"))

    assert found["input_tokens"] == of_chat(reference, user("def main():"))
    assert found["max_model_len"] == 200


def test_a_truncated_prompt_counts_as_what_is_kept_of_it():
    item = tiny(url=EMBEDDINGS, input="a b c d e f", truncate_prompt_tokens=3)

    found = report(item, endpoint=EMBEDDINGS)

    assert (found["input_tokens"], found["too_long"]["count"]) == (3, 0)


HOSTILE: list[Any] = [
    5,
    "text",
    [],
    [5],
    [{"role": 5, "content": "x"}],
    [{"content": "x"}],
    [{"role": "user", "content": 5}],
    [{"role": "user", "content": {"a": 1}}],
]


@pytest.mark.parametrize("messages", HOSTILE)
def test_messages_of_a_wrong_type_are_listed_as_refused(messages):
    found = report(tiny("good"), tiny("bad", messages=messages))

    assert found["refused"] == {"count": 1, "lines": [2]}
    assert found["counted_lines"] == 1 and "input_tokens" in found["estimated"]


def test_what_the_template_refuses_is_listed(model):
    model.chat_template = STRICT
    model.save()

    found = report(tiny("a"), tiny("b"))

    assert found["refused"]["lines"] == [1, 2]
    assert "chat template refuses" in found["tokenizer_reason"]


@pytest.mark.parametrize(
    "body",
    [
        {"chat_template_kwargs": {"tokenize": True, "return_dict": True}},
        {"chat_template_kwargs": {"conversation": 5, "self": 6, "tools": 7}},
        {"tools": {"a": 1}, "add_generation_prompt": "x"},
        {"truncate_prompt_tokens": -5, "add_special_tokens": "x"},
        {"messages": user([{"type": "image_url", "image_url": {"url": "data:x"}}])},
    ],
)
def test_hostile_options_never_break_a_dry_run(body):
    found = report(tiny(**body))

    assert found["lines"] == 1 and found["input_tokens"] > 0


@pytest.mark.parametrize("number", ["1e999", "9" * 5000, "-0.0"])
def test_numbers_beyond_any_type_never_break_a_dry_run(number):
    text = json.dumps(tiny("a", seed=5)).replace("5", number)

    found = report(text)

    assert found["lines"] == 1 and found["input_tokens"] > 0


def test_over_long_lines_fail_before_they_run(configure, reference):
    configure(BATCH_PREFLIGHT="lengths")
    content = "x " * 150
    prompt = of_chat(reference, user(content))
    items = [tiny("a"), tiny("b", content, max_tokens=100), tiny("c", "x " * 300)]

    batch = attended(*items)

    assert batch.status == "failed" and batch.errors is not None
    first, second = batch.errors["data"]
    assert first["code"] == second["code"] == "context_length_exceeded"
    assert (first["line"], second["line"]) == (2, 3)
    assert first["param"] == "body.messages" and not batch.chunks.exists()
    assert f"you requested {prompt + 100} tokens ({prompt} in the" in first["message"]


@pytest.mark.parametrize(("room", "status"), [(0, "in_progress"), (1, "failed")])
def test_a_line_that_just_fits_runs(configure, reference, room, status):
    configure(BATCH_PREFLIGHT="lengths")
    prompt = of_chat(reference, user("def main():"))

    batch = attended(tiny(max_tokens=200 - prompt + room))

    assert batch.status == status


@pytest.mark.parametrize(
    ("url", "body", "param"),
    [
        (COMPLETIONS, {"prompt": "x " * 300}, "body.prompt"),
        (EMBEDDINGS, {"input": ["a", "x " * 300]}, "body.input"),
    ],
)
def test_the_fault_names_the_prompts_key(configure, url, body, param):
    configure(BATCH_PREFLIGHT="lengths")

    batch = attended(tiny(url=url, **body), endpoint=url)

    assert batch.errors is not None and batch.errors["data"][0]["param"] == param


def test_a_huge_line_is_certainly_too_long_without_being_read_whole(configure):
    configure(BATCH_PREFLIGHT="lengths")

    batch = attended(tiny("a", "x " * 2_000_000))

    assert batch.errors is not None
    assert batch.errors["data"][0]["code"] == "context_length_exceeded"


def test_the_faults_of_lengths_have_the_limit_of_all(configure):
    configure(BATCH_PREFLIGHT="lengths", BATCH_MAX_ERRORS=100)

    batch = attended(*[tiny(f"l{n}", "x " * 300) for n in range(120)])

    assert batch.errors is not None and len(batch.errors["data"]) == 100


def test_a_line_the_template_refuses_may_run_and_fail_alone(configure):
    configure(BATCH_PREFLIGHT="lengths")

    assert attended(tiny(messages=HOSTILE[3])).status == "in_progress"


def test_what_was_counted_goes_into_the_quota(configure, reference):
    configure(BATCH_PREFLIGHT="lengths")

    batch = attended(tiny(max_tokens=9))

    expected = of_chat(reference, user("def main():")) + 9
    assert batch.enqueued_tokens == expected


def test_when_its_time_is_over_the_rest_is_estimated(configure):
    configure(BATCH_PREFLIGHT_SECONDS=1e-9)

    found = report(tiny("a"), tiny("b"))

    assert found["counted_lines"] == 0
    assert "BATCH_PREFLIGHT_SECONDS" in found["tokenizer_reason"]


def test_a_tokenizer_that_is_not_there_is_an_estimate(model, tmp_path):
    model.source = str(tmp_path)
    model.save()

    found = report(tiny())

    assert found["tokenizer"] == "estimate"
    assert "could not be loaded" in found["tokenizer_reason"]
    assert str(tmp_path) not in found["tokenizer_reason"]


def test_code_that_comes_with_a_model_is_not_run(model, folder, tmp_path):
    place = tmp_path / "code"
    place.mkdir()
    (place / "code.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    config = {"auto_map": {"AutoTokenizer": ["code.Tokenizer", None]}}
    (place / "tokenizer_config.json").write_text(json.dumps(config))
    model.source, model.engine_args = str(place), {"trust_remote_code": True}
    model.save()

    report(tiny())

    assert not (tmp_path / "ran").exists()


def test_without_transformers_it_is_an_estimate(monkeypatch):
    tokenizing._kept.clear()
    monkeypatch.setitem(sys.modules, "transformers", None)

    found = report(tiny())

    assert found["tokenizer"] == "estimate"
    assert "transformers is not installed" in found["tokenizer_reason"]


def test_tokenizers_are_kept_but_not_without_end(folder):
    for number in range(tokenizing.MOST_KEPT + 2):
        tokenizing.find_tokenizer(tokenizing.Place(str(folder), f"r{number}"))

    assert len(tokenizing._kept) == tokenizing.MOST_KEPT


def test_the_model_without_a_length_takes_its_configs(model, folder):
    model.engine_args = {}
    model.save()
    config = {
        "model_type": "llama",
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "vocab_size": 4096,
        "max_position_embeddings": 2048,
    }
    (folder / "config.json").write_text(json.dumps(config))

    assert report(tiny())["max_model_len"] == 2048
