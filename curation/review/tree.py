"""A JSON value as a tree that folds: nested `<details>`, no script.

A hostile value makes no long page and no deep one: from MOST_NODES values on, and below
DEEPEST levels, the tree says what it leaves out. The raw text has everything.
"""

from collections.abc import Iterator
from typing import Any

from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

MOST_NODES, DEEPEST = 2_000, 24
# Levels that are open at first; what lies deeper is a click away.
OPEN_LEVELS = 2
MOST_LETTERS = 2_000


def tree(value: Any) -> SafeString:
    """Return the tree of an object or a list; nothing for any other value."""
    if not isinstance(value, dict | list):
        return SafeString()
    html = "".join(_Tree().node(value, 0, ""))
    return mark_safe(f'<div class="tree" dir="auto">{html}</div>')  # noqa: S308 - escaped


class _Tree:
    def __init__(self) -> None:
        self._left = MOST_NODES

    def node(self, value: Any, depth: int, label: str) -> Iterator[str]:
        """Yield a value's HTML; `label` is its key's, escaped already."""
        self._left -= 1
        if not isinstance(value, dict | list) or not value:
            yield f"{label}{_leaf(value)}"
            return
        size = _size(value)
        if depth >= DEEPEST:
            yield f'{label}<span class="size">{size}, deeper than is shown</span>'
            return
        is_open = " open" if depth < OPEN_LEVELS else ""
        yield f"<details{is_open}><summary>{label}"
        yield f'<span class="size">{size}</span></summary><ul>'
        yield from self._children(value, depth)
        yield "</ul></details>"

    def _children(self, value: Any, depth: int) -> Iterator[str]:
        is_object = isinstance(value, dict)
        pairs = value.items() if is_object else enumerate(value)
        for done, (key, child) in enumerate(pairs):
            if self._left <= 0:
                more = len(value) - done
                yield f'<li><span class="size">and {more} more</span></li>'
                return
            kind = "key" if is_object else "size"
            label = f'<span class="{kind}">{escape(_cut(str(key)))}</span>: '
            yield "<li>"
            yield from self.node(child, depth + 1, label)
            yield "</li>"


def _size(value: Any) -> str:
    count = len(value)
    if isinstance(value, dict):
        return f"{{}} {count} key{'' if count == 1 else 's'}"
    return f"[] {count} item{'' if count == 1 else 's'}"


def _leaf(value: Any) -> str:
    if isinstance(value, str):
        text = escape(_cut(value))
        return f'<span class="string">&quot;{text}&quot;</span>'
    if value in ({}, []):
        return f'<span class="size">{_size(value)}</span>'
    words = {None: "null", True: "true", False: "false"}
    if value is None or isinstance(value, bool):
        return f'<span class="word">{words[value]}</span>'
    return f'<span class="number">{escape(_cut(str(value)))}</span>'


def _cut(text: str) -> str:
    if len(text) <= MOST_LETTERS:
        return text
    return f"{text[:MOST_LETTERS]}… ({len(text) - MOST_LETTERS:,} letters more)"
