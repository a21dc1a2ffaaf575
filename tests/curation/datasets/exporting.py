"""Export by the command, and read what was written."""

import json
from io import StringIO
from pathlib import Path
from typing import Any

from django.core.management import call_command

from curation.models import DatasetVersion
from tests.curation.datasets.decided import decide
from tests.curation.datasets.reviewed import freeze, permit
from tests.curation.review.desk import make_person, make_queue

CALL = {
    "id": "c1",
    "type": "function",
    "function": {"name": "f", "arguments": '{"a": 1}'},
}
TOOLS = [{"type": "function", "function": {"name": "f", "parameters": {}}}]
DIALOGUE = [
    {"role": "system", "content": "Be kind."},
    {"role": "user", "content": "One?"},
    {"role": "assistant", "content": "One."},
    {"role": "user", "content": "Two?"},
]
WITH_TOOLS = [
    {"role": "user", "content": "Weather?"},
    {"role": "assistant", "content": None, "tool_calls": [CALL]},
    {"role": "tool", "tool_call_id": "c1", "content": "sun"},
]


def dataset(
    kind: str, *prompts: Any, texts: Any = ("good", "bad"), **options: Any
) -> DatasetVersion:
    """Freeze a dataset of these prompts."""
    permit()
    queue = make_queue(tags=["x"])
    asked = [
        (
            _body(number, prompt),
            texts if len(prompts) == 1 else [f"{text} {number}" for text in texts],
        )
        for number, prompt in enumerate(prompts or range(16))
    ]
    decide(queue, make_person(queue.project), asked, is_gold=kind == "icl")
    return freeze(queue, kind, name="set", **options)


def _body(number: int, prompt: Any) -> dict[str, Any]:
    """Return a request's body: of a body, messages, a question, or a number."""
    if isinstance(prompt, dict):
        return prompt
    if isinstance(prompt, list):
        return {"messages": prompt}
    text = f"Question {number}?" if isinstance(prompt, int) else prompt
    return {"messages": [{"role": "user", "content": text}]}


def export(profile: str, path: Path, **options: Any) -> str:
    """Export the dataset `set` and return what the command said."""
    out = StringIO()
    call_command(
        "export_dataset", "set", profile=profile, output=path, stdout=out, **options
    )
    return out.getvalue()


def rows(path: Path) -> list[Any]:
    """Return the rows of a JSONL file."""
    lines = path.read_bytes().split(b"\n")
    assert lines.pop() == b""
    return [json.loads(line) for line in lines]
