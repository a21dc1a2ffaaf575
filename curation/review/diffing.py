"""Differences of two texts, by words or lines: Myers' algorithm with a bound.

The bound makes the work predictable: two hostile texts of 5,000 words cost the server
about a second, not minutes.
"""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

# Words and letters of each text that are compared, and differences that are followed.
MOST_TOKENS = 5_000
MOST_LETTERS = 60_000
MOST_EDITS = 1_200
_WORDS = re.compile(r"\s+|\w+|[^\w\s]")


@dataclass(frozen=True)
class Part:
    """A stretch of text: `same`, only on the left (`gone`) or the right (`new`)."""

    kind: str
    text: str


class TooLarge(Exception):  # noqa: N818 - named for what happened
    """The texts are too long or too different to compare."""


def words(text: str) -> list[str]:
    """Cut a text into words, signs and white space; joined they are the text."""
    return _WORDS.findall(text)


def lines(text: str) -> list[str]:
    """Cut a text into lines."""
    return text.splitlines(keepends=True)


UNITS: dict[str, Callable[[str], list[str]]] = {"word": words, "line": lines}


def diff(left: str, right: str, unit: str = "word") -> list[Part]:
    """Return how `right` came from `left`; raises TooLarge."""
    if max(len(left), len(right)) > MOST_LETTERS:
        raise TooLarge
    cut = UNITS[unit]
    return _joined(_edits(cut(left), cut(right)))


def edit_ratio(left: str, right: str) -> float:
    """Return 0 for the same text up to 1 for two that share no word."""
    if left == right:
        return 0.0
    one, other = words(left), words(right)
    whole = len(one) + len(other)
    if not whole:
        return 0.0
    if max(len(one), len(other)) <= MOST_TOKENS:
        try:
            edits = _edits(one, other)
        except TooLarge:
            pass
        else:
            return sum(kind != "same" for kind, _ in edits) / whole
    # Order aside: as close as it gets in a time that is bounded.
    shared = (Counter(one) & Counter(other)).total()
    return (whole - 2 * shared) / whole


def _edits(left: Sequence[str], right: Sequence[str]) -> list[tuple[str, str]]:
    if max(len(left), len(right)) > MOST_TOKENS:
        raise TooLarge
    start = 0
    while start < min(len(left), len(right)) and left[start] == right[start]:
        start += 1
    end = 0
    rest = min(len(left), len(right)) - start
    while end < rest and left[-1 - end] == right[-1 - end]:
        end += 1
    middle = _middle(left[start : len(left) - end], right[start : len(right) - end])
    head = [("same", token) for token in left[:start]]
    tail = [("same", token) for token in left[len(left) - end :]]
    return [*head, *middle, *tail]


def _middle(left: Sequence[str], right: Sequence[str]) -> list[tuple[str, str]]:
    """Return the edits between two texts that differ at both ends."""
    most = min(len(left) + len(right), MOST_EDITS)
    # How far each diagonal reaches; diagonal k is at k + zero.
    zero = most + 1
    reach = [0] * (2 * most + 3)
    trace: list[list[int]] = []
    for distance in range(most + 1):
        trace.append(reach[zero - distance - 1 : zero + distance + 2])
        if _spread(left, right, reach, distance):
            return _walk_back(left, right, trace)
    raise TooLarge


def _spread(
    left: Sequence[str], right: Sequence[str], reach: list[int], distance: int
) -> bool:
    """Go one edit further on every diagonal; tell whether both texts are at an end."""
    zero = len(reach) // 2
    for diagonal in range(-distance, distance + 1, 2):
        at = zero + diagonal
        is_down = _is_down(reach, at, diagonal, distance)
        x = reach[at + 1] if is_down else reach[at - 1] + 1
        y = x - diagonal
        while x < len(left) and y < len(right) and left[x] == right[y]:
            x, y = x + 1, y + 1
        reach[at] = x
        if x >= len(left) and y >= len(right):
            return True
    return False


def _is_down(reach: list[int], at: int, diagonal: int, distance: int) -> bool:
    """Tell whether the furthest way to a diagonal is a word of the right text."""
    if diagonal == -distance:
        return True
    return diagonal != distance and reach[at - 1] < reach[at + 1]


def _walk_back(
    left: Sequence[str], right: Sequence[str], trace: list[list[int]]
) -> list[tuple[str, str]]:
    """Follow the furthest ways from the end to the start."""
    x, y = len(left), len(right)
    edits: list[tuple[str, str]] = []
    for distance in range(len(trace) - 1, -1, -1):
        reach, diagonal = trace[distance], x - y
        at = diagonal + distance + 1
        is_down = _is_down(reach, at, diagonal, distance)
        begin = reach[at + 1] if is_down else reach[at - 1] + 1
        while x > begin and y > begin - diagonal:
            x, y = x - 1, y - 1
            edits.append(("same", left[x]))
        if distance and is_down:
            y -= 1
            edits.append(("new", right[y]))
        elif distance:
            x -= 1
            edits.append(("gone", left[x]))
    edits.reverse()
    return edits


def _joined(edits: list[tuple[str, str]]) -> list[Part]:
    """Join neighbours of a kind."""
    parts: list[Part] = []
    for kind, token in edits:
        if parts and parts[-1].kind == kind:
            parts[-1] = Part(kind, parts[-1].text + token)
        else:
            parts.append(Part(kind, token))
    return parts
