"""The base of exporters, and what they are given."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import IO, Any, ClassVar

from curation.exporters.messages import Message, check_answer, check_prompt
from vllm_batch.lib.jsonl import one_line

# Pairs that differ less teach little; it is a warning.
LEAST_DIFFERENCE = 0.03


@dataclass(frozen=True)
class Example:
    """A frozen example in its neutral form.

    `prompt` are chat messages that end with the user's or a tool's turn; `content` is
    always a string. `answers` has one message under `completion`, or one each under
    `chosen` and `rejected`. `label` is KTO's. `provenance` is where it all comes from.
    """

    ordinal: int
    split: str
    prompt: list[Message]
    answers: Mapping[str, Message]
    tools: list[dict[str, Any]] | None = None
    label: bool | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)

    @property
    def answer(self) -> Message:
        """The answer to imitate, or for KTO the one that is judged."""
        return self.answers.get("chosen") or self.answers["completion"]


@dataclass(frozen=True)
class Facts:
    """What is known of the version that is exported."""

    name: str
    number: int
    kind: str
    manifest_sha256: str = ""
    has_tools: bool = False
    splits: Mapping[str, int] = field(default_factory=dict)
    filter: Mapping[str, Any] = field(default_factory=dict)
    reports: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Problem:
    """What the consumer would refuse or spoil: in which field, and why.

    A `warning` is exported all the same.
    """

    field: str
    message: str
    is_warning: bool = False


class Exporter:
    """Writes examples as one consumer reads them, and says what it would not take.

    To add one, subclass this (or `JsonlExporter`, if it is one JSON object a line),
    name it, and put its dotted path into the setting CURATION_EXPORTERS. An instance
    is made for each export. What has to be true of it:

    - `validate(example)` yields what is wrong with one example for the consumer; the
      export is refused, or the example left out, before anything is written.
    - `export(examples, stream)` writes the examples of one split into a binary stream,
      as they come: keep none of them, there may be millions. It may not seek.
    - The same examples give the same bytes.
    - It touches neither database nor network. Provenance is written beside the file by
      the caller, so no row needs a key its consumer does not know.
    """

    # The word for it in commands and the admin.
    name: ClassVar[str]
    # One line for people who choose among exporters.
    title: ClassVar[str] = ""
    # Which kinds of datasets it can write: sft, dpo, kto, icl.
    kinds: ClassVar[frozenset[str]] = frozenset()
    suffix: ClassVar[str] = ".jsonl"
    # The consumer refuses files with fewer rows.
    minimum: ClassVar[int] = 1
    # Where a folder is written: one file a split, and companions.
    is_folder: ClassVar[bool] = False

    def __init__(self, facts: Facts) -> None:
        self.facts = facts

    @classmethod
    def missing(cls) -> str:
        """Return what has to be installed first; empty if nothing is."""
        return ""

    def validate(self, example: Example) -> Iterator[Problem]:
        """Yield what is wrong with an example for every consumer; extend it."""
        yield from _problems(check_prompt(example.prompt, bool(example.tools)))
        for place, answer in example.answers.items():
            found = check_answer(answer, place, bool(example.tools))
            yield from _problems(found)
        if "chosen" in example.answers:
            yield from _compare(example.answers["chosen"], example.answers["rejected"])

    def export(self, examples: Iterable[Example], stream: IO[bytes]) -> None:
        """Write examples of one split."""
        raise NotImplementedError

    def place_of(self, split: str) -> str:
        """Return a split's file in an archive or a folder."""
        return f"{split}{self.suffix}"

    def companions(self) -> Mapping[str, bytes]:
        """Return small files that go beside the data, by their place."""
        return {}


def _problems(found: Iterable[tuple[str, str]]) -> Iterator[Problem]:
    return (Problem(place, message) for place, message in found)


def _compare(chosen: Message, rejected: Message) -> Iterator[Problem]:
    """Yield what makes a pair useless or doubtful."""
    one, two = (" ".join(m["content"].split()) for m in (chosen, rejected))
    calls = [m.get("tool_calls") for m in (chosen, rejected)]
    if calls[0] != calls[1]:
        return
    if one == two:
        yield Problem("rejected", "is the same as chosen, apart from white space")
    elif one.startswith(two) or two.startswith(one):
        text = "one answer is the beginning of the other"
        yield Problem("rejected", text, is_warning=True)
    elif _difference(one, two) < LEAST_DIFFERENCE:
        text = f"the answers differ in fewer than {LEAST_DIFFERENCE:.0%} of their words"
        yield Problem("rejected", text, is_warning=True)


def _difference(one: str, two: str) -> float:
    """Return the share of words, order aside, that two texts do not share."""
    first, second = Counter(one.split()), Counter(two.split())
    whole = first.total() + second.total()
    return 1 - 2 * (first & second).total() / whole if whole else 0.0


class JsonlExporter(Exporter):
    """Writes one JSON object a line, in UTF-8; subclasses say which."""

    def row(self, example: Example) -> dict[str, Any]:
        """Return an example as its consumer reads it."""
        raise NotImplementedError

    def export(self, examples: Iterable[Example], stream: IO[bytes]) -> None:
        """Write a line for each example."""
        for example in examples:
            stream.write(json_line(self.row(example)))


def json_line(row: object) -> bytes:
    """Return a line of JSON that no reader tears apart at odd line breaks."""
    text = json.dumps(row, ensure_ascii=False, allow_nan=False)
    return one_line(text.encode()) + b"\n"
