"""The keys of the review page: one table for the handler, the help sheet and the docs.

A key is written as the browser names it (`KeyboardEvent.key`). Where the mode has no
use for an action, its key does nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from curation.models.queue import Mode

PAIR, RANK, SINGLE = Mode.PAIR, Mode.RANK, Mode.SINGLE
EVERY = (PAIR, RANK, SINGLE)
# Shown instead of the browser's names.
CAPS = {"ArrowLeft": "←", "ArrowRight": "→", "Escape": "Esc"}


@dataclass(frozen=True)
class Binding:
    """An action and its keys. `in_text` ones also work while one types."""

    action: str
    keys: tuple[str, ...]
    label: str
    modes: tuple[str, ...] = EVERY
    in_text: bool = False

    @property
    def caps(self) -> list[str]:
        """What is printed on the keys."""
        return [
            "Shift+E" if key == "E" else CAPS.get(key, key.replace("Control", "Ctrl"))
            for key in self.keys
        ]


BINDINGS = (
    Binding("first", ("1", "ArrowLeft"), "The left answer is better", (PAIR,)),
    Binding("second", ("2", "ArrowRight"), "The right answer is better", (PAIR,)),
    Binding("first", ("1", "ArrowRight"), "The answer is good", (SINGLE,)),
    Binding("bad", ("2", "ArrowLeft"), "The answer is bad", (SINGLE,)),
    Binding("tie", ("3", "t"), "Both are as good", (PAIR,)),
    Binding("bad", ("4", "b"), "Both are bad", (PAIR,)),
    Binding(
        "rank", tuple("123456789"), "Put the answer next in the order, best first",
        (RANK,),
    ),
    Binding("unrank", ("0",), "Begin the order anew", (RANK,)),
    Binding("commit", ("Enter",), "Save the order, once it is complete", (RANK,)),
    Binding("tie", ("t",), "All are as good", (RANK,)),
    Binding("bad", ("b",), "All are bad", (RANK,)),
    Binding("gold", ("g",), "Star as gold, or take the star away"),
    Binding("edit", ("e",), "Correct the first answer"),
    Binding("edit_second", ("E",), "Correct the second answer", (PAIR, RANK)),
    Binding(
        "save", ("Control+Enter",), "Save the correction and go on", in_text=True
    ),
    Binding("leave", ("Escape",), "Leave the text field", in_text=True),
    Binding("diff", ("d",), "Differences: by word, by line, off"),
    Binding("raw", ("r",), "Rendered text, JSON as a tree, raw text"),
    Binding("note", ("n",), "Write a note"),
    Binding("skip", ("s",), "Skip: somebody else will do it"),
    Binding("flag", ("f",), "Flag for a lead"),
    Binding("undo", ("u", "Backspace"), "Undo the last decision"),
    Binding("help", ("?",), "Show these keys"),
)  # fmt: skip


# On the page where a lead decides: answers are numbered first, then corrections.
LEAD = (
    Binding(
        "choose", tuple("123456789"), "The answer or the correction with this number"
    ),
    Binding("none", ("0",), "No answer stands"),
    Binding("gold", ("g",), "Star as gold, or take the star away"),
    Binding("leave", ("Escape",), "Leave the text field", in_text=True),
)


def bindings(mode: str) -> list[Binding]:
    """Return the keys that a queue of this mode has."""
    return [binding for binding in BINDINGS if mode in binding.modes]


def table(mode: str) -> list[dict[str, object]]:
    """Return the same for the page's key handler."""
    return as_table(bindings(mode))


def as_table(found: Sequence[Binding]) -> list[dict[str, object]]:
    """Return bindings as the handler reads them."""
    return [
        {"action": one.action, "keys": one.keys, "in_text": one.in_text}
        for one in found
    ]


def caps_of(mode: str) -> dict[str, str]:
    """Return the first key of each action, for the buttons."""
    return {one.action: one.caps[0] for one in reversed(bindings(mode))}
