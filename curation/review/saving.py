"""What the page sends of a review, checked once. Sides count from 0, left to right.

Candidates' ids never reach the page: in a blind queue they could tell the model.
"""

import json
import re
from dataclasses import dataclass
from typing import Any

from curation.models import Queue
from curation.models.review import Outcome
from vllm_batch.lib.errors import InvalidRequest

MOST_TEXT, MOST_NOTE, MOST_TAGS, MOST_HELD_IDS = 500_000, 10_000, 50, 50
MOST_ACTIVE_MS = 24 * 3600 * 1000
_MUTATION = re.compile(r"[A-Za-z0-9_-]{8,64}")
# PostgreSQL stores neither; a lost letter is better than a save that never succeeds.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


@dataclass(frozen=True, kw_only=True)
class Content:
    """A review's content: what a draft keeps."""

    edits: dict[int, str]
    note: str = ""
    tags: tuple[str, ...] = ()
    is_gold: bool = False
    ranking: tuple[int, ...] | None = None
    active_ms: int = 0


@dataclass(frozen=True, kw_only=True)
class Save:
    """One save: `version` is the one it builds on, `mutation_id` makes it unique."""

    version: int
    mutation_id: str
    content: Content
    outcome: str = ""
    side: int | None = None


def tags_of(queue: Queue) -> list[str]:
    """Return the tags that a queue's reviewers may choose."""
    tags = queue.tags if isinstance(queue.tags, list) else []
    return [tag for tag in tags if isinstance(tag, str)][:MOST_TAGS]


def read_body(raw: bytes) -> dict[str, Any]:
    """Return the JSON object of a request; raises InvalidRequest."""
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError):
        raise InvalidRequest("The body is not JSON.") from None
    if not isinstance(body, dict):
        raise InvalidRequest("The body must be a JSON object.")
    return body


def read_save(body: dict[str, Any], sides: int, *, is_final: bool = False) -> Save:
    """Return a draft's or, if final, a verdict's save; raises InvalidRequest."""
    outcome = body.get("outcome", "") if is_final else ""
    if is_final and outcome not in Outcome.values:
        raise InvalidRequest(
            f"outcome must be one of {', '.join(Outcome.values)}.", param="outcome"
        )
    return Save(
        version=_integer(body, "version", 2**31),
        mutation_id=read_mutation(body),
        content=_content(body, sides),
        outcome=outcome,
        side=_integer(body, "side", sides) if outcome == Outcome.WIN else None,
    )


def read_mutation(body: dict[str, Any]) -> str:
    """Return the save's own id; raises InvalidRequest."""
    value = body.get("mutation_id")
    if not isinstance(value, str) or not _MUTATION.fullmatch(value):
        raise InvalidRequest(
            "mutation_id must be 8 to 64 letters, digits, - or _.", param="mutation_id"
        )
    return value


def read_ids(body: dict[str, Any], name: str) -> list[int]:
    """Return a short list of ids; raises InvalidRequest."""
    value = body.get(name, [])
    if not isinstance(value, list) or len(value) > MOST_HELD_IDS:
        raise InvalidRequest(
            f"{name} must be a list of up to {MOST_HELD_IDS} ids.", param=name
        )
    return [_whole(each, name, 2**63) for each in value]


def clean_text(value: Any, name: str, most: int) -> str:
    """Return a text that every database takes; raises InvalidRequest."""
    if not isinstance(value, str):
        raise InvalidRequest(f"{name} must be a string.", param=name)
    if len(value) > most:
        raise InvalidRequest(
            f"{name} has {len(value):,} letters; {most:,} are allowed.", param=name
        )
    return _UNSTORABLE.sub("\ufffd", value)


def _content(body: dict[str, Any], sides: int) -> Content:
    tags = body.get("tags", [])
    if not isinstance(tags, list) or len(tags) > MOST_TAGS:
        raise InvalidRequest(
            f"tags must be a list of up to {MOST_TAGS} strings.", param="tags"
        )
    is_gold = body.get("is_gold", False)
    if not isinstance(is_gold, bool):
        raise InvalidRequest("is_gold must be true or false.", param="is_gold")
    return Content(
        edits=_edits(body.get("edits", {}), sides),
        note=clean_text(body.get("note", ""), "note", MOST_NOTE),
        tags=tuple(dict.fromkeys(clean_text(tag, "tags", 100) for tag in tags)),
        is_gold=is_gold,
        ranking=_ranking(body.get("ranking"), sides),
        active_ms=_whole(body.get("active_ms", 0), "active_ms", MOST_ACTIVE_MS),
    )


def _edits(value: Any, sides: int) -> dict[int, str]:
    if not isinstance(value, dict):
        raise InvalidRequest("edits must be an object: side to text.", param="edits")
    edits = {}
    for side, text in value.items():
        if not (isinstance(side, str) and side.isascii() and side.isdigit()):
            raise InvalidRequest(f"edits has no side {side!r:.20}.", param="edits")
        if len(side) > 3 or int(side) >= sides:
            raise InvalidRequest(f"edits has no side {side:.20}.", param="edits")
        edits[int(side)] = clean_text(text, "edits", MOST_TEXT)
    return edits


def _ranking(value: Any, sides: int) -> tuple[int, ...] | None:
    if value is None:
        return None
    if not isinstance(value, list) or len(value) > sides:
        raise InvalidRequest("ranking must be a list of sides.", param="ranking")
    order = tuple(_whole(side, "ranking", sides) for side in value)
    if len(set(order)) != len(order):
        raise InvalidRequest("ranking has a side twice.", param="ranking")
    return order


def _integer(body: dict[str, Any], name: str, below: int) -> int:
    return _whole(body.get(name), name, below)


def _whole(value: Any, name: str, below: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < below:
        raise InvalidRequest(
            f"{name} must be a whole number from 0 to {below - 1}.", param=name
        )
    return value
