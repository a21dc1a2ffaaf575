"""Each profile writes its consumer's form."""

import csv
import hashlib
import json
from collections import Counter

import pytest
import yaml

from curation.exporters.registry import exporters
from tests.curation.datasets.exporting import (
    DIALOGUE,
    TOOLS,
    WITH_TOOLS,
    dataset,
    export,
    rows,
)

pytestmark = pytest.mark.django_db
PROFILES = [
    (name, kind) for name, one in exporters().items() for kind in sorted(one.kinds)
]


@pytest.mark.parametrize(("profile", "kind"), PROFILES)
def test_every_exporter_keeps_the_contract(profile, kind, tmp_path):
    # So many that each part is as large as its consumer wants; few-shot has no test.
    version = dataset(kind, *range(60), test_ratio=0.5)
    sizes = Counter(version.members.values_list("split", flat=True))
    assert set(sizes) == ({"train"} if kind == "icl" else {"train", "test"})
    assert min(sizes.values()) >= 10

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
