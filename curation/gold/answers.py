"""What stands as gold."""

from collections.abc import Iterator, Sequence

from django.db.models import QuerySet

from curation.canonical import digest_text
from curation.ingest.answers import make_answer
from curation.models import Candidate, Decision
from curation.ordering.priority import normal_hash

PAGE = 200
# The model revision of an answer that a person corrected, and its model without one.
CORRECTED, PEOPLE = "corrected", "people"


def gold_decisions(project_id: int) -> QuerySet[Decision]:
    """Return the decisions in force that are gold and have an answer, by item."""
    found = Decision.objects.filter(
        item__project=project_id, is_current=True, is_gold=True
    ).exclude(answer_candidate=None, answer_revision=None)
    return found.order_by("item_id")


def gold_pages(project_id: int) -> Iterator[list[Decision]]:
    """Yield them with their items and answers, a page at a time."""
    ids = list(gold_decisions(project_id).values_list("pk", flat=True))
    for start in range(0, len(ids), PAGE):
        yield load(ids[start : start + PAGE])


def load(ids: Sequence[int]) -> list[Decision]:
    """Return decisions with all that is needed of them."""
    rows = Decision.objects.filter(pk__in=ids).select_related(
        "item", "answer_candidate", "answer_revision__candidate"
    )
    return list(rows.order_by("item_id"))


def source_of(decision: Decision) -> Candidate | None:
    """Return the model's answer behind a gold one, if there is one."""
    if decision.answer_revision is not None:
        return decision.answer_revision.candidate
    return decision.answer_candidate


def text_of(decision: Decision) -> str:
    """Return the gold text."""
    if decision.answer_revision is not None:
        return decision.answer_revision.text
    return decision.answer_candidate.text if decision.answer_candidate else ""


def as_candidate(decision: Decision) -> Candidate:
    """Return the gold answer as one that can be shown in a task.

    A correction is copied into a candidate of its own, once; its model stays the one
    whose answer was corrected.
    """
    revision = decision.answer_revision
    if revision is None:
        assert decision.answer_candidate is not None  # noqa: S101 - it has an answer
        return decision.answer_candidate
    source = revision.candidate
    answer = make_answer({"role": "assistant", "content": revision.text})
    found, _ = Candidate.objects.get_or_create(
        batch_id=f"revision-{revision.pk}",
        line=0,
        defaults={
            "item_id": decision.item_id,
            "custom_id": f"revision-{revision.pk}",
            "model": source.model if source else PEOPLE,
            "model_revision": CORRECTED,
            "parameters": source.parameters if source else {},
            "parameters_hash": source.parameters_hash if source else "",
            "output": answer.output if answer else {},
            "text": revision.text,
            "text_hash": digest_text(revision.text),
            "checks": {
                "length": len(revision.text),
                "normal_hash": normal_hash(revision.text),
            },
        },
    )
    return found
