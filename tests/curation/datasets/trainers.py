"""Read an export with the libraries that trainers use; print what they saw as JSON.

Run as a program: the libraries are heavy, and their warnings are their own.
"""

import json
import sys
from typing import Any


def jsonl(path: str) -> dict[str, Any]:
    from datasets import load_dataset

    found = load_dataset("json", data_files=path, split="train")
    return {"columns": sorted(found.column_names), "rows": len(found)}


def csv(path: str) -> dict[str, Any]:
    from datasets import load_dataset

    found = load_dataset("csv", data_files=path, split="train")
    return {"rows": len(found), "first": found[0]}


def folder(path: str, config: str) -> dict[str, Any]:
    from datasets import load_dataset

    found = load_dataset(path, config)
    columns = sorted(found["train"].column_names)
    rows = {name: len(one) for name, one in sorted(found.items())}
    return {"rows": rows, "columns": columns}


def trl(path: str, tokenizer_path: str) -> dict[str, Any]:
    """Apply TRL's own functions, as its trainers do before they tokenize."""
    from datasets import load_dataset
    from transformers import AutoTokenizer
    from trl.data_utils import apply_chat_template, is_conversational

    tokenizer = AutoTokenizer.from_pretrained(tokenizer_path)
    found = load_dataset("json", data_files=path, split="train")
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


if __name__ == "__main__":
    print(json.dumps(globals()[sys.argv[1]](*sys.argv[2:]), default=str))
