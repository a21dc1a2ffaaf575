"""Read an export with the libraries that trainers use, and return what they saw.

For a process of their own: the libraries are heavy, and their warnings are their own.
"""

import json
import os
from typing import Any


def begin(home: str) -> None:
    """Set the process up before it imports a library: no network, and its own home."""
    os.environ.update(HF_HUB_OFFLINE="1", HF_HOME=home)


def _load(form: str, path: str, **options: Any) -> Any:
    """Load an export; its cache is its own, for others have the same name and size."""
    from datasets import load_dataset

    return load_dataset(form, cache_dir=f"{path}.cache", **options)


def jsonl(path: str) -> dict[str, Any]:
    found = _load("json", path, data_files=path, split="train")
    return {"columns": sorted(found.column_names), "rows": len(found)}


def csv(path: str) -> dict[str, Any]:
    found = _load("csv", path, data_files=path, split="train")
    return {"rows": len(found), "first": found[0]}


def folder(path: str, config: str) -> dict[str, Any]:
    found = _load(path, path, name=config)
    columns = sorted(found["train"].column_names)
    rows = {name: len(one) for name, one in sorted(found.items())}
    return {"rows": rows, "columns": columns}


def trl(path: str, tokenizer_path: str) -> dict[str, Any]:
    """Apply TRL's own functions, as its trainers do before they tokenize."""
    from transformers import AutoTokenizer
    from trl.data_utils import apply_chat_template, is_conversational

    tokenizer = AutoTokenizer.from_pretrained(tokenizer_path)
    found = _load("json", path, data_files=path, split="train")
    rows = []
    for row in found:
        if isinstance(row.get("tools"), str):
            row = {**row, "tools": json.loads(row["tools"])}
        rows.append(apply_chat_template(row, tokenizer))
    last = rows[-1]
    return {
        "is_conversational": all(is_conversational(row) for row in found),
        "keys": sorted(last),
        "last": last.get("chosen") or last["completion"],
        "last_prompt": last["prompt"],
    }
