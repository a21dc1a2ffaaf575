"""Keep what people had decided elsewhere: decisions, and texts they wrote instead."""

from collections.abc import Sequence
from typing import NamedTuple

from django.db import transaction

from curation.canonical import clean_text, digest_text
from curation.importing.records import Record
from curation.models import Candidate, Decision, Revision
from curation.models.decision import Method
from curation.review.diffing import edit_ratio


class Decided(NamedTuple):
    """A record with a choice or a correction; its first answer's line."""

    import_id: str
    first_line: int
    record: Record


def decide(found: Sequence[Decided], items: dict[tuple[str, int], int]) -> int:
    """Store decisions where an item has none, and corrections; return how many.

    Safe to repeat. A decision of our own reviewers is never overruled by an import.
    """
    rows = [one for one in found if (one.import_id, one.first_line) in items]
    if not rows:
        return 0
    with transaction.atomic():
        candidates = _candidates(rows)
        return sum(_store(one, candidates) for one in rows)


def _candidates(rows: Sequence[Decided]) -> dict[int, Candidate]:
    lines = [
        one.first_line + place
        for one in rows
        for place in range(len(one.record.answers))
    ]
    found = Candidate.objects.filter(batch_id=rows[0].import_id, line__in=lines)
    return {
        candidate.line: candidate for candidate in found.defer("output", "manifest")
    }


def _store(one: Decided, candidates: dict[int, Candidate]) -> int:
    record = one.record
    chosen = candidates[one.first_line + (record.chosen or 0)]
    answer = chosen if record.chosen is not None else None
    single = chosen if len(record.answers) == 1 else answer
    revision = None
    for text in record.corrections:
        revision = _revise(chosen.item_id, single, clean_text(text))
    if Decision.objects.filter(item=chosen.item_id, is_current=True).exists():
        return 0
    Decision.objects.create(
        item_id=chosen.item_id,
        answer_revision=revision,
        answer_candidate=answer if revision is None else None,
        is_gold=record.is_gold,
        method=Method.IMPORT,
    )
    return 1


def _revise(item_id: int, candidate: Candidate | None, text: str) -> Revision:
    """Return the correction with this text, new or as it was imported before."""
    key = digest_text(text)
    known = Revision.objects.filter(
        item_id=item_id, candidate=candidate, author=None, text_hash=key
    ).first()
    return known or Revision.objects.create(
        item_id=item_id,
        candidate=candidate,
        text=text,
        text_hash=key,
        edit_ratio=edit_ratio(candidate.text, text) if candidate else 1.0,
    )
