"""The list of batches, newest first, page by page from a batch on."""

from dataclasses import dataclass
from typing import Any

from django.db.models import Q

from batches.models import BatchJob, Status
from batches.models.batch import BatchQuerySet
from monitoring.console.rows import Row, rows_of
from monitoring.console.viewers import Viewer

PAGE_BATCHES = 25
LONGEST_TEXT = 100


@dataclass(frozen=True)
class Wish:
    """Which batches: with a status, of a project, with a text in id, model or title."""

    status: str = ""
    project: str = ""
    text: str = ""
    before: str = ""


@dataclass(frozen=True)
class Listing:
    """A page of batches; `next` is the batch the next page begins behind."""

    rows: list[Row]
    next: str


def read_wish(values: dict[str, str]) -> Wish:
    """Return what an address asks for; what makes no sense is left out."""
    status, project = values.get("status", ""), values.get("project", "")
    is_number = project.isascii() and project.isdigit() and len(project) < 18
    return Wish(
        status=status if status in Status.values else "",
        project=project if is_number else "",
        text=values.get("q", "").replace("\0", "").strip()[:LONGEST_TEXT],
        before=values.get("before", "").replace("\0", ""),
    )


def find(viewer: Viewer, wish: Wish) -> Listing:
    """Return the page of what the person may see."""
    batches = viewer.batches().filter(is_dry_run=False, **_exact(wish))
    if wish.text:
        title = Q(metadata__title__icontains=wish.text)
        name = Q(pk__contains=wish.text) | Q(model__icontains=wish.text)
        batches = batches.filter(name | title)
    page = list(_behind(batches, viewer, wish)[: PAGE_BATCHES + 1])
    rows = rows_of(page[:PAGE_BATCHES])
    more = len(page) > PAGE_BATCHES
    return Listing(rows, rows[-1].batch.pk if more else "")


def _exact(wish: Wish) -> dict[str, Any]:
    pairs = {"status": wish.status, "project_id": wish.project}
    return {name: value for name, value in pairs.items() if value}


def _behind(batches: BatchQuerySet, viewer: Viewer, wish: Wish) -> BatchQuerySet:
    batches = batches.select_related("project").order_by("-created_at", "-id")
    last: BatchJob | None = None
    if wish.before:
        last = viewer.batches().filter(pk=wish.before).first()
    if last is None:
        return batches
    same = Q(created_at=last.created_at, pk__lt=last.pk)
    return batches.filter(Q(created_at__lt=last.created_at) | same)
