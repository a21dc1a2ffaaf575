"""Find train texts that overlap with test texts: word n-grams, n = 12.

The n-grams of what is held out lie in a private SQLite database on disk, behind a
bitmap of fixed size that answers nearly all questions; memory does not grow with
either side.
"""

import hashlib
import json
import re
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Self

from accounts.models import Project
from curation.datasets.conversations import Unusable, prompt_messages
from curation.datasets.errors import DatasetError
from curation.datasets.filter import NamedFile
from curation.datasets.hashing import BLOCK
from curation.datasets.splits import HELD_OUT
from curation.models import Item
from vllm_batch.lib.conf import conf
from vllm_batch.lib.jsonl import is_deeper_than, read_lines

WORDS = 12
# A shorter text counts as a whole, if it has so many words.
FEWEST_WORDS = 5
# What two texts share is seen in their beginnings.
READ_CHARACTERS = 200_000
DEEPEST = 100
_BITS = 1 << 26
_WORD = re.compile(r"\w+")


def grams(text: str) -> Iterator[bytes]:
    """Yield the keys of a text's runs of twelve words, each eight bytes."""
    words = _WORD.findall(text[:READ_CHARACTERS].casefold())
    if len(words) < FEWEST_WORDS:
        return
    for start in range(max(1, len(words) - WORDS + 1)):
        run = " ".join(words[start : start + WORDS])
        yield hashlib.blake2b(run.encode(errors="replace"), digest_size=8).digest()


def texts_of(payload: dict[str, Any]) -> Iterator[str]:
    """Yield an example's texts: what users and the good answer say.

    Not the system's: it is often the same for all.
    """
    for message in payload["prompt"]:
        if message["role"] == "user":
            yield message["content"]
    for message in payload.get("chosen") or payload.get("completion") or ():
        yield message["content"]


class HeldOut:
    """The n-grams of texts that must not be trained with, and where they are from."""

    words = WORDS

    def __init__(self) -> None:
        self.count = 0
        self._bits = bytearray(_BITS // 8)
        self._database = sqlite3.connect("")
        table = "CREATE TABLE grams (key BLOB PRIMARY KEY, source TEXT) WITHOUT ROWID"
        self._database.execute(table)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *problem: object) -> None:
        self._database.close()

    def add(self, texts: Iterable[str], source: str) -> None:
        """Take an example's texts."""
        rows = [(key, source) for text in texts for key in grams(text)]
        for key, _ in rows:
            place, bit = _place(key)
            self._bits[place] |= bit
        sql = "INSERT OR IGNORE INTO grams VALUES (?, ?)"
        self._database.executemany(sql, rows)
        self.count += 1

    def add_items(self, project: Project) -> None:
        """Take the prompts that the project keeps for tests."""
        rows = Item.objects.filter(project=project, split_lock__in=HELD_OUT)
        for item in rows.order_by("pk").iterator(chunk_size=200):
            try:
                messages = prompt_messages(item.input)
            except Unusable:
                continue
            texts = [one["content"] for one in messages if one["role"] == "user"]
            self.add(texts, f"item {item.pk}")

    def add_file(self, file: NamedFile) -> None:
        """Take a file's lines: the strings of JSON, or plain text."""
        with open(file.path, "rb") as stream:
            for line in read_lines(stream, conf().BATCH_MAX_LINE_BYTES):
                if not line.is_blank:
                    texts = _strings(_parsed(line.content))
                    self.add(texts, f"{file.name}, line {line.number}")

    def overlap(self, texts: Iterable[str]) -> tuple[float, str]:
        """Return the share of n-grams that are held out, and where one is from."""
        total, hits, source = 0, 0, ""
        for text in texts:
            for key in grams(text):
                total += 1
                place, bit = _place(key)
                if self._bits[place] & bit and (found := self._find(key)):
                    hits += 1
                    source = source or found
        return (round(hits / total, 3) if total else 0.0), source

    def _find(self, key: bytes) -> str:
        query = "SELECT source FROM grams WHERE key = ?"
        row = self._database.execute(query, (key,)).fetchone()
        return row[0] if row else ""


def _place(key: bytes) -> tuple[int, int]:
    number = int.from_bytes(key[:4], "big") % _BITS
    return number >> 3, 1 << (number & 7)


def _parsed(content: bytes) -> Any:
    text = content.decode(errors="replace")
    if is_deeper_than(content, DEEPEST):
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _strings(item)


def name_file(path: str) -> NamedFile:
    """Return a file by its name and hash; raises DatasetError if it cannot be read."""
    hasher = hashlib.sha256()
    try:
        with open(path, "rb") as stream:
            while block := stream.read(BLOCK):
                hasher.update(block)
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {error.strerror}.") from error
    return NamedFile(Path(path).name, hasher.hexdigest(), path)
