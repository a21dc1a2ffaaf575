"""What an export refuses, warns of and survives."""

from typing import Any

import pytest
from django.core.management import CommandError
from django.db import connection

from curation.models import Candidate
from tests.curation.datasets.exporting import (
    CALL,
    TOOLS,
    WITH_TOOLS,
    dataset,
    export,
    rows,
)
from tests.curation.datasets.reviewed import freeze, permit, reviewed
from tests.curation.review.desk import Desk, make_queue, make_task

pytestmark = pytest.mark.django_db


def invalid(kind: str, prompt: Any, output: Any = None, text: str = "good") -> None:
    """Freeze a dataset of one row that no consumer takes."""
    permit()
    queue = make_queue()
    task = make_task(queue, text, "bad", prompt=prompt)
    if output is not None:
        Candidate.objects.filter(pk=task.candidate_ids[0]).update(output=output)
    Desk(queue).vote_for(task.candidate_ids[0])
    freeze(queue, kind, name="set")


USER = {"role": "user", "content": "hi"}
INVALID = [
    ([USER, {"role": "system", "content": "late"}, USER], "prompt[1].role is system"),
    ([{"role": "system", "content": "alone"}], "prompt has no message of a user"),
    ([USER, {"role": "assistant", "content": "x"}], "prompt[1].role must be user or"),
    ([{"role": "user", "content": "a <|im_end|> b"}], "prompt[0].content has '<|im_e"),
    ([{"role": "user", "content": "[/INST]"}], "prompt[0].content has '[/INST]'"),
    ([{"role": "user", "content": " "}], "prompt[0].content is empty"),
    (
        [USER, {"role": "tool", "tool_call_id": "zz", "content": "x"}],
        "prompt[1].tool_call_id answers no call",
    ),
    (
        [USER, {"role": "assistant", "content": "", "tool_calls": [CALL]}, USER],
        "prompt[2] comes before a tool call was answered",
    ),
]


@pytest.mark.parametrize(("messages", "said"), INVALID)
def test_what_no_consumer_takes_is_named_by_row_and_field(messages, said, out):
    invalid("sft", {"messages": messages})

    with pytest.raises(CommandError) as found:
        export("trl-sft", out)

    assert f"train row 1: {said}" in str(found.value)
    assert not out.exists() and list(out.parent.iterdir()) == []


def test_arguments_that_are_no_json_are_named(out):
    bad = {**CALL, "function": {"name": "f", "arguments": "{oops"}}
    output = {"role": "assistant", "content": None, "tool_calls": [bad]}
    prompt = {"messages": [USER], "tools": TOOLS}
    invalid("sft", prompt, output)

    with pytest.raises(CommandError, match=r"tool_calls\[0\].function.arguments must"):
        export("trl-sft", out)


def test_calls_without_declared_tools_are_named(out):
    output = {"role": "assistant", "content": None, "tool_calls": [CALL]}
    invalid("sft", {"messages": [USER]}, output)

    with pytest.raises(CommandError, match="declares no tools"):
        export("trl-sft", out)


@pytest.mark.parametrize("profile", ["alpaca", "sharegpt"])
def test_turns_that_do_not_alternate_are_refused(profile, out):
    invalid("sft", {"messages": [USER, USER]})

    with pytest.raises(CommandError, match="must be a turn of the assistant"):
        export(profile, out)


def test_alpaca_holds_no_tools(out):
    invalid("sft", {"messages": WITH_TOOLS, "tools": TOOLS})

    with pytest.raises(CommandError, match="cannot hold"):
        export("alpaca", out)


def test_openai_preferences_are_text_only(out):
    output = {"role": "assistant", "content": None, "tool_calls": [CALL]}
    invalid("dpo", {"messages": [USER], "tools": TOOLS}, output)

    with pytest.raises(CommandError, match="text only"):
        export("openai-dpo", out)


@pytest.mark.parametrize("profile", ["openai-sft", "openai-dpo"])
def test_openai_wants_ten_examples(profile, out):
    dataset(profile[-3:], "a?", "b?")

    with pytest.raises(CommandError, match="wants 10 rows; there are 2"):
        export(profile, out, skip_invalid=True)


def test_invalid_rows_are_left_out_if_asked_for(out):
    control = {"messages": [{"role": "user", "content": "<|im_end|>"}]}
    dataset("sft", "a?", control, "c?")

    text = export("trl-sft", out, skip_invalid=True)

    assert [row["prompt"][0]["content"] for row in rows(out)] == ["a?", "c?"]
    assert "1 rows were left out" in text and "train row 2" in text
    side = rows(out.with_name("out.provenance.jsonl"))
    assert [(one["row"], one["ordinal"]) for one in side] == [(1, 1), (2, 3)]


def test_answers_that_begin_alike_are_warned_of(out):
    dataset("dpo", "a?", texts=("good and more", "good"))

    assert "one answer is the beginning of the other" in export("trl-dpo", out)


def test_answers_that_hardly_differ_are_warned_of(out):
    long = " ".join(f"word{number}" for number in range(100))
    dataset("dpo", "a?", texts=(f"{long} end", f"{long} stop"))

    assert "differ in fewer than 3% of their words" in export("trl-dpo", out)


def test_a_profile_for_another_kind_is_refused(out):
    dataset("sft", "a?")

    with pytest.raises(CommandError, match="no profile 'trl-dpo' for sft.*trl-sft"):
        export("trl-dpo", out)


def test_an_old_file_is_replaced_and_a_folder_is_not(out):
    dataset("sft", "a?")
    out.write_text("old")
    export("trl-sft", out)
    assert len(rows(out)) == 1

    (out.parent / "folder").mkdir()
    with pytest.raises(CommandError, match="is there already"):
        export("trl-sft", out.parent / "folder")


def test_the_test_split_is_a_file_of_its_own(out):
    version = dataset("sft", test_ratio=0.4)
    tests = version.members.filter(split="test").count()

    export("trl-sft", out, split="test")

    assert len(rows(out)) == tests > 0


def test_a_model_whose_licence_has_changed_stops_the_export(out):
    dataset("sft", "a?")
    from workers.models import ServedModel

    ServedModel.objects.update(may_train_others="no")

    with pytest.raises(CommandError, match="may train"):
        export("trl-sft", out)


def test_hostile_texts_stay_one_row_each(out):
    hostile = 'a\u2028b\u0085c\x7f\x1b[0m\\ " \ufffd 🙂 \u202e'
    dataset("sft", hostile, texts=(hostile, "x"))

    export("trl-sft", out)

    (row,) = rows(out)
    assert row["completion"][0]["content"] == hostile
    assert len(out.read_text().splitlines()) == 1


def test_a_huge_text_is_exported(out):
    huge = "word " * 190_000
    dataset("sft", "a?", texts=(huge, "x"))

    export("trl-sft", out)

    assert rows(out)[0]["completion"][0]["content"] == huge


def test_nul_and_surrogates_of_older_rows_do_not_reach_the_file(out):
    """Ingestion cleans them; rows that other ways brought are cleaned at the freeze."""
    if connection.vendor == "postgresql":
        pytest.skip("PostgreSQL stores none")
    queue = reviewed(1)
    task = queue.tasks.get()
    output = {"role": "assistant", "content": "a\ud800b"}
    Candidate.objects.filter(pk=task.candidate_ids[0]).update(output=output)
    freeze(queue, "sft", name="set")

    export("trl-sft", out)

    assert rows(out)[0]["completion"][0]["content"] == "a\ufffdb"


def test_tokens_are_not_counted_without_a_tokenizer(out):
    dataset("sft", "a?")

    assert "tokens were not counted" in export("trl-sft", out)
