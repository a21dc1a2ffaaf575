"""What was changed in the prompt between two answers of a task."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from curation.ingest.prompts import prompt_text
from curation.models import Candidate, Item, Task
from curation.review.diffing import Part, TooLarge, diff


@dataclass(frozen=True)
class Change:
    """How the prompt came from the one before; no parts if both are too long."""

    parts: list[Part] = field(default_factory=list)
    is_too_large: bool = False


def change_of(task: Task, candidates: Iterable[Candidate]) -> Change | None:
    """Return the correction a task is about; None for a task of one prompt.

    It does not say which answer was given to which prompt.
    """
    others = {one.item_id for one in candidates} - {task.item_id}
    if not others:
        return None
    before = Item.objects.get(pk=min(others))
    old, new = prompt_text(before.input), prompt_text(task.item.input)
    try:
        return Change(diff(old, new))
    except TooLarge:
        return Change(is_too_large=True)
