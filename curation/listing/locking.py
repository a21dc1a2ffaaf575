"""Lock prompts to a split, so that nothing near them is both learnt and tested."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest

from curation.audit.recording import Actor, person, record_all
from curation.models import Item
from curation.models.audit_event import Action
from curation.models.item import Split

PAGE = 1000
OPEN = "no split"


def lock(items: QuerySet[Item], split: str, by: Actor) -> int:
    """Lock items to a split, or to none; return how many that changes."""
    ids = list(items.order_by("pk").values_list("pk", flat=True))
    count = 0
    for start in range(0, len(ids), PAGE):
        with transaction.atomic():
            page = Item.objects.filter(pk__in=ids[start : start + PAGE])
            rows = list(page.exclude(split_lock=split).select_for_update())
            changed = Item.objects.filter(pk__in=[row.pk for row in rows])
            count += changed.update(split_lock=split)
            _note(rows, split, by)
    return count


def _note(rows: list[Item], split: str, by: Actor) -> None:
    for project_id in sorted({row.project_id for row in rows}):
        record_all(
            Action.SPLIT_LOCKED,
            by,
            [(row, row.pk) for row in rows if row.project_id == project_id],
            project_id=project_id,
            detail=split or OPEN,
        )


def _action(split: str, description: str) -> Callable[..., None]:
    @admin.action(description=description)
    def act(page: Any, request: HttpRequest, items: QuerySet[Item]) -> None:
        count = lock(items, split, person(request.user))
        where = split or OPEN
        page.message_user(request, f"{count} items are now locked to {where}.")

    act.__name__ = f"lock_to_{split or 'none'}"
    return act


LOCKS = [
    _action(Split.TRAIN, "Lock to the split train"),
    _action(Split.TEST, "Lock to the split test, never trained with"),
    _action(Split.GOLD, "Lock to the split gold, never trained with"),
    _action("", "Unlock from their split"),
]
