"""The dataset card: what a row is, where it comes from, what was checked."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

import yaml

from curation.exporters.base import Facts

_KINDS = {
    "sft": ("`prompt` and the `completion` that stands for it.", ["sft"]),
    "dpo": (
        "`prompt`, the `chosen` answer and the `rejected` one.",
        ["preference", "dpo"],
    ),
    "kto": ("`prompt`, a `completion`, and whether it is good (`label`).", ["kto"]),
}
_SIZES = ((1000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"))
_LARGER = "100K<n<1M"


def card(facts: Facts) -> str:
    """Return README.md."""
    return f"---\n{_front(facts)}---\n\n{_body(facts)}"


def _front(facts: Facts) -> str:
    count = sum(facts.splits.values())
    size = next((name for most, name in _SIZES if count < most), _LARGER)
    files = [
        {"split": split, "path": f"{facts.kind}/{split}-*"} for split in facts.splits
    ]
    front = {
        "pretty_name": f"{facts.name} v{facts.number}",
        "license": "other",
        "task_categories": ["text-generation"],
        "tags": ["human-feedback", *_KINDS[facts.kind][1]],
        "size_categories": [size],
        "configs": [{"config_name": facts.kind, "default": True, "data_files": files}],
    }
    return str(yaml.safe_dump(front, sort_keys=False, allow_unicode=True))


def _body(facts: Facts) -> str:
    reports = facts.reports
    parts = [
        f"# {facts.name}, version {facts.number}",
        f"A row is {_KINDS[facts.kind][0]}",
        "Each row was decided by people who reviewed answers of language models."
        " `provenance.jsonl` says for each one which item, decision, batch, line and"
        " model it comes from.",
        f"- Manifest (SHA-256): `{facts.manifest_sha256}`",
        "## Splits",
        _table(("split", "rows"), facts.splits.items()),
        "Near-duplicate prompts are in the same split. Examples kept for tests are"
        " never in `train`.",
        "## Source models",
        _table(("model", "rows", "licence", "may train others"), _models(reports)),
        _note(facts.filter),
        "## How rows were chosen",
        _block(facts.filter),
        "## Checks",
        "Equal examples left out, near-duplicates, and overlap of twelve words in a"
        " row with what is held out:",
        _block({key: reports.get(key) for key in _CHECKS if key in reports}),
        "## Limits",
        "Reviewers may be wrong; agreement was not measured here. The text may hold"
        " whatever was in the prompts: nobody looked for personal data.",
    ]
    return "\n\n".join(filter(None, parts)) + "\n"


_CHECKS = ("duplicates", "contamination", "length_bias", "answers", "skipped")


def _models(reports: Mapping[str, Any]) -> Iterable[tuple[Any, ...]]:
    licences = reports.get("licences", {})
    for name, count in reports.get("models", {}).items():
        known = licences.get(name, {})
        yield (
            _cell(name),
            count,
            _cell(known.get("licence") or "–"),
            known.get("may_train_others", "unknown"),
        )


def _cell(text: str) -> str:
    """Return a name as it can stand in a table."""
    return text.replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")


def _note(chosen_by: Mapping[str, Any]) -> str:
    names = ", ".join(map(_cell, chosen_by.get("unlicensed", [])))
    if not names:
        return ""
    return f"**Frozen although nobody said that these may train others: {names}.**"


def _table(head: tuple[str, ...], rows: Iterable[tuple[Any, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def _block(value: object) -> str:
    text = json.dumps(value, indent=2, ensure_ascii=False, default=str)
    return f"```json\n{text.replace('```', '` ` `')}\n```"
