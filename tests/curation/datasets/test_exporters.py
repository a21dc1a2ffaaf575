"""Each profile writes its consumer's form, and refuses what it would not take."""

import csv
import hashlib
import json
from typing import Any

import pytest
import yaml
from django.core.management import CommandError
from django.db import connection

from curation.exporters.registry import exporters
from curation.models import Candidate
from tests.curation.datasets.exporting import (
    CALL,
    DIALOGUE,
    TOOLS,
    WITH_TOOLS,
    dataset,
    export,
    rows,
)
from tests.curation.datasets.reviewed import freeze, permit, reviewed
from tests.curation.review.desk import Desk, make_queue, make_task

pytestmark = pytest.mark.django_db
PROFILES = [
    (name, kind) for name, one in exporters().items() for kind in sorted(one.kinds)
]


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


@pytest.mark.parametrize(("profile", "kind"), PROFILES)
def test_every_exporter_keeps_the_contract(profile, kind, tmp_path):
    # So many that chance leaves each part as large as its consumer wants.
    version = dataset(kind, *range(60), test_ratio=0.5)
    splits = set(version.members.values_list("split", flat=True))

    export(profile, tmp_path / "one", skip_invalid=True)
    export(profile, tmp_path / "two", skip_invalid=True)

    def bytes_of(name: str) -> dict[str, bytes]:
        top = tmp_path / name
        found = [top, *top.rglob("*")]
        return {
            str(path.relative_to(top)): path.read_bytes()
            for path in found
            if path.is_file()
        }

    assert bytes_of("one") == bytes_of("two") and bytes_of("one")
    assert splits <= {"train", "test"}
    # Nothing half written stays.
    assert not [p for p in tmp_path.rglob("*") if p.name.endswith(".part")]


@pytest.mark.parametrize(("profile", "kind"), PROFILES)
def test_every_row_has_its_provenance(profile, kind, out):
    version = dataset(kind)

    export(profile, out)

    side = out / "provenance.jsonl"
    side = side if side.exists() else out.with_name("out.provenance.jsonl")
    found = rows(side)
    members = version.members.order_by("ordinal")
    assert [r["row"] for r in found] == list(range(1, len(members) + 1))
    assert [r["payload_hash"] for r in found] == [m.payload_hash for m in members]
    assert found[0]["answers"] == members[0].provenance["answers"]


def test_openai_sft(out):
    dataset("sft", *[DIALOGUE] * 10)

    export("openai-sft", out)

    assert rows(out)[3] == {
        "messages": [
            *DIALOGUE[:2],
            {**DIALOGUE[2], "weight": 0},
            DIALOGUE[3],
            {"role": "assistant", "content": "good 3"},
        ]
    }


def test_openai_dpo(out):
    dataset("dpo", *[DIALOGUE] * 10)

    export("openai-dpo", out)

    assert rows(out)[0] == {
        "input": {"messages": DIALOGUE, "tools": [], "parallel_tool_calls": True},
        "preferred_output": [{"role": "assistant", "content": "good 0"}],
        "non_preferred_output": [{"role": "assistant", "content": "bad 0"}],
    }


def test_trl_dpo(out):
    dataset("dpo", DIALOGUE)

    export("trl-dpo", out)

    assert rows(out) == [
        {
            "prompt": DIALOGUE,
            "chosen": [{"role": "assistant", "content": "good"}],
            "rejected": [{"role": "assistant", "content": "bad"}],
        }
    ]


def test_trl_sft_with_tools(out):
    dataset("sft", {"messages": WITH_TOOLS, "tools": TOOLS}, "plain?")

    export("trl-sft", out)

    first, second = rows(out)
    call = first["prompt"][1]["tool_calls"][0]["function"]
    assert call == {"name": "f", "arguments": {"a": 1}}
    assert json.loads(first["tools"]) == TOOLS and second["tools"] is None
    assert set(first) == set(second) == {"prompt", "completion", "tools"}


def test_trl_kto(out):
    dataset("kto", "Hi?")

    export("trl-kto", out)

    found = {row["completion"][0]["content"]: row["label"] for row in rows(out)}
    assert found == {"good": True, "bad": False}


def test_alpaca(out):
    dataset("sft", DIALOGUE)

    export("alpaca", out)

    assert rows(out) == [
        {
            "instruction": "Two?",
            "input": "",
            "system": "Be kind.",
            "history": [["One?", "One."]],
            "output": "good",
        }
    ]


def test_alpaca_of_preferences(out):
    dataset("dpo", "Hi?")

    export("alpaca", out)

    assert (rows(out)[0]["chosen"], rows(out)[0]["rejected"]) == ("good", "bad")


def test_sharegpt(out):
    dataset("dpo", DIALOGUE)

    export("sharegpt", out)

    assert rows(out) == [
        {
            "conversations": [
                {"from": "human", "value": "One?"},
                {"from": "gpt", "value": "One."},
                {"from": "human", "value": "Two?"},
            ],
            "system": "Be kind.",
            "chosen": {"from": "gpt", "value": "good"},
            "rejected": {"from": "gpt", "value": "bad"},
        }
    ]


def test_sharegpt_with_tools(out):
    dataset("sft", {"messages": WITH_TOOLS, "tools": TOOLS})

    export("sharegpt", out)

    (row,) = rows(out)
    assert [turn["from"] for turn in row["conversations"]] == [
        "human", "function_call", "observation", "gpt",
    ]  # fmt: skip
    value = json.loads(row["conversations"][1]["value"])
    assert value == {"name": "f", "arguments": {"a": 1}}


@pytest.mark.parametrize("profile", ["icl-json", "icl-yaml"])
def test_icl_packs_are_read_without_our_code(profile, out):
    hostile = "no\n - yes: 'on'\n\t# 007 2026-11-25\n..."
    dataset("icl", "yes", "Hi: there\n---\n", texts=(hostile, "x"))

    export(profile, out)

    text = out.read_text()
    pack = json.loads(text) if profile == "icl-json" else yaml.safe_load(text)
    one = pack["examples"][0]
    assert one["input"] == [{"role": "user", "content": "yes"}]
    assert one["output"][0]["content"] == f"{hostile} 0"
    whole = "".join(
        json.dumps(example, sort_keys=True, separators=(",", ":")) + "\n"
        for example in pack["examples"]
    )
    assert pack["sha256"] == hashlib.sha256(whole.encode()).hexdigest()
    assert pack["schema"] == "icl-pack/1"


FORMULAS = (
    "=1+1", "+1", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "  =HYPERLINK(1)", "'=1",
    "＝1+1", "\n=cmd|' /C calc'!A0", '"=1', "\u00a0=1",
)  # fmt: skip


@pytest.mark.parametrize("formula", FORMULAS)
def test_csv_holds_no_formula(formula, out):
    dataset("dpo", formula, texts=(formula + "a", formula + "b"))

    export("csv", out)

    with out.open(newline="", encoding="utf-8") as stream:
        (row,) = csv.DictReader(stream)
    for cell in (row["prompt"], row["chosen"], row["rejected"]):
        assert cell.startswith("'") and cell[1:].startswith(formula)


def test_csv_leaves_other_cells_alone(out):
    text = 'a "quoted", line\nand = more'
    dataset("sft", "a - b", texts=(text, "x"))

    export("csv", out)

    with out.open(newline="", encoding="utf-8") as stream:
        (row,) = csv.DictReader(stream)
    assert (row["prompt"], row["completion"]) == ("a - b", text)
    assert row["completion_model"] == "secret-model-0"


def test_hugging_face_folder(out):
    pq = pytest.importorskip("pyarrow.parquet")
    dataset("dpo", test_ratio=0.4)

    export("hf", out)

    table = pq.read_table(out / "dpo" / "train-00000.parquet")
    assert table.schema.names == ["prompt", "chosen", "rejected"]
    assert table.to_pylist()[0]["prompt"][0]["role"] == "user"
    card = (out / "README.md").read_text()
    front = yaml.safe_load(card.split("---")[1])
    paths = {f["split"]: f["path"] for f in front["configs"][0]["data_files"]}
    assert paths == {"train": "dpo/train-*", "test": "dpo/test-*"}
    assert "Apache-2.0" in card and "Manifest" in card


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
