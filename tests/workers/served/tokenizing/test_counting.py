"""The pre-flight with a model's own tokenizer counts what transformers counts."""

import json
from typing import Any

import pytest

from tests.factories import EMBEDDINGS, line
from tests.marks import TRANSFORMERS
from tests.workers.served.tokenizing.chats import (
    COMPLETIONS,
    RESPONSES,
    STRICT,
    of_chat,
    report,
    tiny,
    user,
)

pytestmark = [pytest.mark.django_db, *TRANSFORMERS]


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
