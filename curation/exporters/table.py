"""CSV for people and spreadsheets; no cell is taken for a formula."""

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator
from typing import IO

from curation.exporters.base import Example, Exporter, Problem
from curation.exporters.messages import Message

# Spreadsheets take a cell for a formula that begins so, spaces or a quote before it.
_FORMULA = re.compile(r"""^[\s'"]*[=+\-@＝＋－＠]|^[\t\r\n]""")
EXCEL_CHARACTERS = 32_767
_ORIGIN = ("model", "batch", "line", "custom_id")


class Csv(Exporter):
    """One row an example: prompt, answers, label, and where they come from.

    A cell that a spreadsheet would run gets an apostrophe before it.
    """

    name = "csv"
    title = "CSV, safe from formulas"
    kinds = frozenset({"sft", "dpo", "kto", "icl"})
    suffix = ".csv"

    def validate(self, example: Example) -> Iterator[Problem]:
        """Warn of what Excel cuts off."""
        yield from super().validate(example)
        for place, text in self._texts(example).items():
            if len(text) > EXCEL_CHARACTERS:
                note = f"has more than {EXCEL_CHARACTERS} characters, which Excel cuts"
                yield Problem(place, note, is_warning=True)

    def export(self, examples: Iterable[Example], stream: IO[bytes]) -> None:
        """Write a header and the rows."""
        columns = self._columns()
        stream.write(_csv_line(columns))
        for example in examples:
            row = self._row(example)
            stream.write(_csv_line([safe(row.get(name, "")) for name in columns]))

    def _columns(self) -> list[str]:
        is_pair = self.facts.kind == "dpo"
        answers = ["chosen", "rejected"] if is_pair else ["completion"]
        origin = [f"{place}_{key}" for place in answers for key in _ORIGIN]
        label = ["label"] if self.facts.kind == "kto" else []
        return ["row", "split", "system", "prompt", *answers, *label, *origin]

    def _texts(self, example: Example) -> dict[str, str]:
        prompt = [one for one in example.prompt if one["role"] != "system"]
        system = [m["content"] for m in example.prompt if m["role"] == "system"]
        shown = prompt[0]["content"] if len(prompt) == 1 else _dialogue(prompt)
        answers = {place: _said(one) for place, one in example.answers.items()}
        return {"system": "\n".join(system), "prompt": shown, **answers}

    def _row(self, example: Example) -> dict[str, str]:
        row = {"row": str(example.ordinal), "split": example.split}
        row |= self._texts(example)
        if example.label is not None:
            row["label"] = "true" if example.label else "false"
        for place, origin in example.provenance.get("answers", {}).items():
            row |= {f"{place}_{key}": str(origin.get(key, "")) for key in _ORIGIN}
        return row


def safe(cell: str) -> str:
    """Return a cell that no spreadsheet runs."""
    return f"'{cell}" if _FORMULA.match(cell) else cell


def _dialogue(messages: list[Message]) -> str:
    return "\n\n".join(f"{one['role']}: {_said(one)}" for one in messages)


def _said(message: Message) -> str:
    calls = message.get("tool_calls")
    said = json.dumps(calls, ensure_ascii=False) if calls else ""
    return f"{message['content']}{said}"


def _csv_line(cells: list[str]) -> bytes:
    line = io.StringIO()
    csv.writer(line, quoting=csv.QUOTE_ALL, lineterminator="\n").writerow(cells)
    return line.getvalue().encode()
