"""Packs of examples for the prompt (few-shot), readable without our code."""

import hashlib
import json
from collections.abc import Iterable, Iterator
from typing import IO, Any

import yaml

from curation.exporters.base import Example, Exporter

SCHEMA = "icl-pack/1"
LONGEST_BLOCK_LINE = 1 << 30


class _Pack(Exporter):
    """What both spellings have in common.

    `sha256` is over the examples' canonical JSON (sorted keys, no spaces, ASCII), a
    line each; it comes last, because nothing is kept while the examples are written.
    """

    kinds = frozenset({"icl"})

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._hasher = hashlib.sha256()

    def _head(self) -> dict[str, Any]:
        return {
            "schema": SCHEMA,
            "name": self.facts.name,
            "version": self.facts.number,
            "manifest_sha256": self.facts.manifest_sha256,
            "render": "messages",
        }

    def _packed(self, examples: Iterable[Example]) -> Iterator[dict[str, Any]]:
        for example in examples:
            one = self._one(example)
            text = json.dumps(one, sort_keys=True, separators=(",", ":"))
            self._hasher.update(text.encode() + b"\n")
            yield one

    def _one(self, example: Example) -> dict[str, Any]:
        one: dict[str, Any] = {
            "id": example.ordinal,
            "input": example.prompt,
            "output": [example.answer],
            "source": {
                key: example.provenance.get(key) for key in ("item", "decision")
            },
        }
        if example.tools:
            one["tools"] = example.tools
        return one


class IclJson(_Pack):
    """One JSON object with `examples`."""

    name = "icl-json"
    title = "Few-shot pack, JSON"
    suffix = ".json"

    def export(self, examples: Iterable[Example], stream: IO[bytes]) -> None:
        """Write the pack."""
        self._hasher = hashlib.sha256()
        head = json.dumps(self._head(), ensure_ascii=False)
        stream.write(head[:-1].encode() + b', "examples": [')
        separator = b"\n"
        for one in self._packed(examples):
            line = json.dumps(one, ensure_ascii=False, allow_nan=False)
            stream.write(separator + line.encode())
            separator = b",\n"
        stream.write(b'\n], "sha256": "%b"}\n' % self._hasher.hexdigest().encode())


class _Dumper(yaml.SafeDumper):
    """PyYAML's safe one, with block literals for texts of several lines."""

    def ignore_aliases(self, data: Any) -> bool:
        """Write everything out: readers should need no anchors."""
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)


class IclYaml(_Pack):
    """The same in YAML that `safe_load` reads."""

    name = "icl-yaml"
    title = "Few-shot pack, YAML"
    suffix = ".yaml"

    def export(self, examples: Iterable[Example], stream: IO[bytes]) -> None:
        """Write the pack."""
        self._hasher = hashlib.sha256()
        stream.write(_dump(self._head()) + b"examples:\n")
        for one in self._packed(examples):
            stream.write(_dump([one]))
        stream.write(_dump({"sha256": self._hasher.hexdigest()}))


def _dump(value: object) -> bytes:
    return yaml.dump(
        value,
        Dumper=_Dumper,
        allow_unicode=True,
        sort_keys=False,
        default_flow_style=False,
        width=LONGEST_BLOCK_LINE,
        encoding="utf-8",
    )
