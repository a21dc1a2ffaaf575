"""Cluster a project's near-duplicate prompts into families.

MinHash over shingles of four words, by rensa: 128 numbers a prompt, in 16 bands of 8.
Two prompts that share a band and whose estimated Jaccard similarity is 0.8 or more are
of one family. A family is named after its oldest item's hash, so the name stays when
others join. Every item has one, alone or not.
"""

import re
from array import array
from collections.abc import Iterable, Iterator, Sequence

from rensa import RMinHash

from curation.ingest.prompts import prompt_text
from curation.models import Item

PERMUTATIONS, BANDS, SEED = 128, 16, 1
ROWS = PERMUTATIONS // BANDS
SIMILAR = 0.8
SHINGLE_WORDS = 4
# What makes two long prompts alike is seen in their beginnings.
READ_CHARACTERS = 50_000
NAME_LETTERS = 32
PAGE_ITEMS = 1000
# A word, a sign, or a letter of a script that writes no spaces.
_UNSPACED = "\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff"
_TOKEN = re.compile(rf"[{_UNSPACED}]|[^\W{_UNSPACED}]+|[^\w\s]")


def signature(text: str) -> "array[int]":
    """Return a text's MinHash."""
    words = _TOKEN.findall(text[:READ_CHARACTERS].casefold())
    count = max(1, len(words) - SHINGLE_WORDS + 1)
    shingles = {" ".join(words[i : i + SHINGLE_WORDS]) for i in range(count)}
    found = RMinHash(PERMUTATIONS, SEED)
    found.update(sorted(shingles))
    return array("I", found.digest())


def similarity(first: Sequence[int], second: Sequence[int]) -> float:
    """Estimate the Jaccard similarity of two texts, from 0 to 1."""
    same = sum(a == b for a, b in zip(first, second, strict=True))
    return same / PERMUTATIONS


class Families:
    """Texts by number from 0, and the first text of each one's family."""

    def __init__(self) -> None:
        self._heads: list[int] = []
        self._signatures: list[array[int]] = []
        self._bands: dict[tuple[int, bytes], int] = {}

    def add(self, text: str) -> None:
        """Take the next text."""
        number, own = len(self._heads), signature(text)
        self._heads.append(number)
        self._signatures.append(own)
        for band in range(BANDS):
            key = band, own[band * ROWS : (band + 1) * ROWS].tobytes()
            other = self._bands.setdefault(key, number)
            if other != number and similarity(own, self._signatures[other]) >= SIMILAR:
                self._join(number, other)

    def _join(self, first: int, second: int) -> None:
        low, high = sorted((self.head(first), self.head(second)))
        self._heads[high] = low

    def head(self, number: int) -> int:
        """Return the first text of a text's family."""
        while (head := self._heads[number]) != number:
            self._heads[number] = self._heads[head]
            number = head
        return number


def cluster(project_id: int) -> int:
    """Give every item of a project its family; return how many families there are.

    Reads all prompts, about 1 KB of memory each. Safe to repeat.
    """
    families, ids, hashes, old = Families(), array("Q"), [], []
    for pk, key, family, prompt in _items(project_id):
        families.add(prompt_text(prompt))
        ids.append(pk)
        hashes.append(key[:NAME_LETTERS])
        old.append(family)
    names = [hashes[families.head(number)] for number in range(len(ids))]
    moved = (n for n in range(len(ids)) if names[n] != old[n])
    _save(Item(pk=ids[number], family=names[number]) for number in moved)
    return len(set(names))


def _items(project_id: int) -> Iterator[tuple[int, str, str, dict[str, object]]]:
    rows = Item.objects.filter(project=project_id).order_by("pk")
    fields = rows.values_list("pk", "input_hash", "family", "input")
    yield from fields.iterator(chunk_size=PAGE_ITEMS)


def _save(items: Iterable[Item]) -> None:
    page: list[Item] = []
    for item in items:
        page.append(item)
        if len(page) == PAGE_ITEMS:
            Item.objects.bulk_update(page, ["family"])
            page = []
    Item.objects.bulk_update(page, ["family"])
