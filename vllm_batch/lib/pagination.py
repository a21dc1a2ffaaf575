"""Lists as OpenAI pages them: forward only, by the id of the last item seen.

Source: contract 4. The order is (created_at, id), which is total, so that objects of
one second are neither lost nor repeated.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from django.db.models import Model, Q, QuerySet
from django.http import QueryDict

from vllm_batch.lib.errors import NotFound
from vllm_batch.lib.parameters import (
    check_range,
    invalid_choice,
    read_integer,
    single,
)

M = TypeVar("M", bound=Model)


@dataclass(frozen=True, kw_only=True)
class PageLimits:
    """How many items a list gives by default, at least and at most."""

    default: int
    least: int
    most: int
    has_order: bool = False


@dataclass(frozen=True)
class Cursor:
    """Where a page starts, how long it is and which way it runs."""

    after: str | None
    limit: int
    is_ascending: bool

    @classmethod
    def parse(cls, query: QueryDict, limits: PageLimits) -> "Cursor":
        """Read `after`, `limit` and, where there is one, `order`.

        Raises InvalidRequest for a value that does not do, or for several of them.
        """
        limit, order = limits.default, None
        if (text := single(query, "limit", "an integer")) is not None:
            limit = read_integer(text, "limit")
            check_range(limit, "limit", limits.least, limits.most)
        if limits.has_order:
            order = single(query, "order", "a string")
        if order not in (None, "asc", "desc"):
            raise invalid_choice("order", order, ["asc", "desc"])
        return cls(single(query, "after", "a string") or None, limit, order == "asc")


def paginate(
    listed: QuerySet[M],
    everything: QuerySet[M],
    cursor: Cursor,
    serialize: Callable[[Sequence[M]], list[dict[str, Any]]],
) -> dict[str, Any]:
    """Return one page of `listed` as a list object.

    The cursor's object is looked up in `everything`, deleted ones included, so a client
    may delete what it pages over (R20). Raises NotFound for an unknown cursor.
    """
    rows = listed
    if cursor.after is not None:
        rows = rows.filter(_beyond(everything, cursor))
    sign = "" if cursor.is_ascending else "-"
    rows = rows.order_by(f"{sign}created_at", f"{sign}id")
    found = list(rows[: cursor.limit + 1])
    data = serialize(found[: cursor.limit])
    return {
        "object": "list",
        "data": data,
        "first_id": data[0]["id"] if data else None,
        "last_id": data[-1]["id"] if data else None,
        # An empty page must never promise more: the SDK would stop there silently.
        "has_more": len(found) > cursor.limit > 0,
    }


def _beyond(everything: QuerySet[M], cursor: Cursor) -> Q:
    after = cursor.after or ""
    last = None if "\0" in after else everything.filter(pk=after).first()
    if last is None:
        raise NotFound("Resource not found.", param="after")
    moment = last.created_at  # type: ignore[attr-defined]
    side = "gt" if cursor.is_ascending else "lt"
    return Q(**{f"created_at__{side}": moment}) | Q(
        **{"created_at": moment, f"id__{side}": last.pk}
    )
