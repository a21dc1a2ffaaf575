"""Alpaca's columns, as LLaMA-Factory reads them. Lossy: texts only."""

from collections.abc import Iterator
from typing import Any

from curation.exporters.base import Example, JsonlExporter, Problem
from curation.exporters.messages import check_plain, check_turns


class Alpaca(JsonlExporter):
    """`instruction` and `output`, or `chosen` and `rejected`, or `kto_tag`.

    `history` has the earlier turns, whose answers LLaMA-Factory trains too.
    """

    name = "alpaca"
    title = "Alpaca, as LLaMA-Factory reads it"
    kinds = frozenset({"sft", "dpo", "kto"})

    def validate(self, example: Example) -> Iterator[Problem]:
        """Refuse tools, and turns that do not alternate."""
        yield from super().validate(example)
        messages = [*example.prompt, *example.answers.values()]
        for place, text in (*check_plain(messages), *check_turns(example.prompt)):
            yield Problem(place, text)
        if example.tools:
            yield Problem("tools", "are declared, which this format cannot hold")

    def row(self, example: Example) -> dict[str, Any]:
        """Return an example's columns."""
        turns = [one for one in example.prompt if one["role"] != "system"]
        system = [m["content"] for m in example.prompt if m["role"] == "system"]
        history = zip(turns[:-1:2], turns[1::2], strict=True)
        row: dict[str, Any] = {
            "instruction": turns[-1]["content"],
            "input": "",
            "system": "".join(system),
            "history": [[a["content"], b["content"]] for a, b in history],
        }
        for place, answer in example.answers.items():
            row["output" if place == "completion" else place] = answer["content"]
        if example.label is not None:
            row["kto_tag"] = example.label
        return row
