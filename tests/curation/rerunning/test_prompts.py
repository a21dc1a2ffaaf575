"""Texts of prompts are replaced in every endpoint's form, and nothing else."""

import pytest

from curation.rerunning.prompts import (
    Correction,
    endpoint_of,
    system_text,
    texts_of,
    with_system,
    with_texts,
)

USER = {"role": "user", "content": "Hi"}
IMAGE = {"role": "user", "content": [{"type": "image_url", "image_url": "x"}]}


def chat(*messages, **more):
    return {"messages": list(messages), **more}


def system(text, role="system"):
    return {"role": role, "content": text}


@pytest.mark.parametrize(
    ("prompt", "text", "expected"),
    [
        (chat(USER), "New", chat(system("New"), USER)),
        (chat(system("Old"), USER), "New", chat(system("New"), USER)),
        (chat(system("Old"), USER), "", chat(USER)),
        (chat(USER), "", chat(USER)),
        (
            chat(system("Old", "developer"), USER, tools=[1]),
            "New",
            chat(system("New", "developer"), USER, tools=[1]),
        ),
        ({"input": "Hi"}, "New", {"input": "Hi", "instructions": "New"}),
        ({"input": "Hi", "instructions": "Old"}, "", {"input": "Hi"}),
        ({"input": [system("Old"), USER]}, "New", {"input": [system("New"), USER]}),
        ({"prompt": "Hi"}, "New", {"prompt": "Hi"}),
        ({"messages": ["odd", 7, {}]}, "N", {"messages": [system("N"), "odd", 7, {}]}),
    ],
)
def test_a_system_text_is_put_where_it_belongs(prompt, text, expected):
    assert with_system(prompt, text) == expected


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        (chat(system("S"), USER), "S"),
        (chat(USER), ""),
        ({"input": "Hi", "instructions": "I"}, "I"),
        ({"input": "Hi"}, ""),
        ({"prompt": "Hi"}, None),
    ],
)
def test_the_system_text_is_found(prompt, expected):
    assert system_text(prompt) == expected


@pytest.mark.parametrize(
    "prompt",
    [
        chat(system("S"), USER, IMAGE, {"role": "assistant", "content": None}),
        {"input": "Hi", "instructions": "I"},
        {"input": [USER, IMAGE]},
        {"prompt": "Hi"},
        {"prompt": ["a", "b"]},
        {"messages": ["odd", 7, {}]},
        {},
    ],
)
def test_texts_come_out_and_go_in_again(prompt):
    texts = [one.text for one in texts_of(prompt) if one.is_editable]

    assert with_texts(prompt, texts) == prompt
    changed = with_texts(prompt, [f"{text}!" for text in texts])
    assert (changed != prompt) == bool(texts)


def test_another_number_of_texts_is_refused():
    with pytest.raises(ValueError, match="another number"):
        with_texts(chat(USER), ["a", "b"])


def test_only_the_chosen_system_text_is_replaced():
    correction = Correction(system="New", replaces="Old")

    assert correction.apply(chat(system("Old"), USER)) == chat(system("New"), USER)
    assert correction.apply(chat(system("Else"), USER)) == chat(system("Else"), USER)


@pytest.mark.parametrize(
    ("prompt", "endpoint"),
    [
        (chat(USER), "/v1/chat/completions"),
        ({"input": "Hi"}, "/v1/responses"),
        ({"prompt": "Hi"}, "/v1/completions"),
    ],
)
def test_the_prompts_form_tells_the_endpoint(prompt, endpoint):
    assert endpoint_of(prompt) == endpoint
