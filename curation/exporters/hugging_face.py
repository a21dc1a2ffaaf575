"""A Hugging Face dataset folder: parquet files and a card. Needs pyarrow.

Written by pyarrow and without Hugging Face's own metadata, so that older `datasets`
read it too. One struct for all messages; tools and calls are JSON in strings.
"""

import importlib.util
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import IO, Any

from curation.exporters.base import Example, Exporter
from curation.exporters.card import card
from curation.exporters.messages import Message

# A row group is in memory until it is written.
GROUP_ROWS, GROUP_CHARACTERS = 1000, 8_000_000


class HuggingFace(Exporter):
    """`KIND/train-00000.parquet`, one for each split, and README.md."""

    name = "hf"
    title = "Hugging Face folder: parquet and card"
    kinds = frozenset({"sft", "dpo", "kto"})
    suffix = ".parquet"
    is_folder = True

    @classmethod
    def missing(cls) -> str:
        """Return pyarrow, if it is not there."""
        is_there = importlib.util.find_spec("pyarrow") is not None
        return "" if is_there else "pyarrow (pip install -r requirements-curation.txt)"

    def place_of(self, split: str) -> str:
        """Return where the card looks for a split."""
        return f"{self.facts.kind}/{split}-00000{self.suffix}"

    def companions(self) -> Mapping[str, bytes]:
        """Return the card."""
        return {"README.md": card(self.facts).encode()}

    def export(self, examples: Iterable[Example], stream: IO[bytes]) -> None:
        """Write one parquet file, a group of rows at a time."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        schema = self._schema(pa)
        with pq.ParquetWriter(stream, schema, compression="zstd") as writer:
            for rows in _groups(self._row(example) for example in examples):
                table = pa.Table.from_pylist(rows, schema=schema)
                writer.write_table(table, row_group_size=GROUP_ROWS)

    def _schema(self, pa: Any) -> Any:
        text = pa.string()
        fields = [("role", text), ("content", text)]
        if self.facts.has_tools:
            fields += [(k, text) for k in ("name", "tool_calls", "tool_call_id")]
        messages = pa.list_(pa.struct(fields))
        is_pair = self.facts.kind == "dpo"
        places = ["prompt", *(("chosen", "rejected") if is_pair else ("completion",))]
        columns = [(place, messages) for place in places]
        if self.facts.kind == "kto":
            columns.append(("label", pa.bool_()))
        if self.facts.has_tools:
            columns.append(("tools", text))
        return pa.schema(columns)

    def _row(self, example: Example) -> dict[str, Any]:
        row: dict[str, Any] = {"prompt": [self._flat(one) for one in example.prompt]}
        for place, answer in example.answers.items():
            row[place] = [self._flat(answer)]
        if example.label is not None:
            row["label"] = example.label
        if self.facts.has_tools:
            row["tools"] = json.dumps(example.tools) if example.tools else None
        return row

    def _flat(self, message: Message) -> Message:
        if not self.facts.has_tools:
            return {"role": message["role"], "content": message["content"]}
        calls = message.get("tool_calls")
        return {**message, "tool_calls": json.dumps(calls) if calls else None}


def _groups(rows: Iterable[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    group: list[dict[str, Any]] = []
    characters = 0
    for row in rows:
        group.append(row)
        characters += sum(
            len(message["content"])
            for messages in row.values()
            if isinstance(messages, list)
            for message in messages
        )
        if len(group) >= GROUP_ROWS or characters >= GROUP_CHARACTERS:
            yield group
            group, characters = [], 0
    if group:
        yield group
