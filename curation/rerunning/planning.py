"""Which lines a correction makes: one for each answer that is to be asked for again."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from batches.offers import Catalog, find_offers
from curation.canonical import digest
from curation.ingest.prompts import read_prompt
from curation.judging.verdicts import pages
from curation.models import Candidate, Item, Queue, Task
from curation.models.task import State
from curation.rerunning.naming import ANSWER, name_of
from curation.rerunning.prompts import Correction, endpoint_of, system_text

PAGE_ITEMS = 200
# Different system texts that a lead is offered to replace.
MOST_SYSTEM_TEXTS = 20


class Target(NamedTuple):
    """A model and an endpoint: what a batch is for."""

    model: str
    endpoint: str


class Line(NamedTuple):
    """A line of a new batch."""

    target: Target
    content: bytes


@dataclass
class Plan:
    """How many lines go where; what stays behind is counted by cause."""

    lines: Counter[Target] = field(default_factory=Counter)
    unserved: Counter[str] = field(default_factory=Counter)
    unchanged: int = 0
    repeated: int = 0

    @property
    def total(self) -> int:
        """Count the lines that run."""
        return self.lines.total()


def plan(queue: Queue, items: Sequence[int] | None, correction: Correction) -> Plan:
    """Count what a correction of these items, or of the whole queue, would run."""
    found = Plan()
    for line in lines(queue, items, correction, found):
        found.lines[line.target] += 1
    return found


def lines(
    queue: Queue,
    items: Sequence[int] | None,
    correction: Correction,
    counts: Plan | None = None,
) -> Iterator[Line]:
    """Yield the lines, in the order of items and answers."""
    counts, offers = counts or Plan(), find_offers()
    for page in pages(_item_ids(queue, items), PAGE_ITEMS):
        yield from _of_page(queue, page, correction, counts, offers)


def _item_ids(queue: Queue, items: Sequence[int] | None) -> Iterator[int]:
    tasks = Task.objects.filter(queue=queue).exclude(state=State.VOID)
    if items is not None:
        tasks = tasks.filter(item_id__in=items)
    ids = tasks.order_by("item_id").values_list("item_id", flat=True).distinct()
    yield from ids.iterator(chunk_size=2000)


def _of_page(
    queue: Queue,
    page: list[int],
    correction: Correction,
    counts: Plan,
    offers: Catalog,
) -> Iterator[Line]:
    items, candidates = Item.objects.in_bulk(page), _candidates(queue, page)
    again = _run_again(candidates)
    prompts = {pk: correction.apply(item.input) for pk, item in items.items()}
    hashes = {pk: read_prompt(prompt).hash for pk, prompt in prompts.items()}
    for one in candidates:
        prompt = prompts[one.item_id]
        target = Target(one.model, endpoint_of(prompt))
        offer = offers.get(one.model)
        if prompt == items[one.item_id].input:
            counts.unchanged += 1
        elif (one.pk, hashes[one.item_id]) in again:
            counts.repeated += 1
        elif offer is None or not offer.serves(target.endpoint):
            counts.unserved[one.model] += 1
        else:
            yield Line(target, line_of(name_of(ANSWER, one.pk), target, prompt, one))


def _candidates(queue: Queue, items: list[int]) -> list[Candidate]:
    """Return the items' own answers in the queue; not what they were corrected from."""
    tasks = Task.objects.filter(queue=queue, item_id__in=items).exclude(
        state=State.VOID
    )
    shown = tasks.values_list("candidate_ids", flat=True)
    ids = {pk for group in shown for pk in group}
    rows = Candidate.objects.filter(pk__in=ids, item_id__in=items)
    return list(rows.only("item_id", "model", "parameters").order_by("item_id", "pk"))


def _run_again(candidates: list[Candidate]) -> set[tuple[int | None, str]]:
    children = Candidate.objects.filter(parent__in=candidates)
    return set(children.values_list("parent_id", "item__input_hash"))


def line_of(
    custom_id: str, target: Target, prompt: dict[str, Any], source: Candidate | None
) -> bytes:
    """Return a line that asks a model, with the parameters an answer was made with."""
    parameters = source.parameters if source is not None else {}
    body = {**parameters, **prompt, "model": target.model}
    line = {
        "custom_id": custom_id,
        "method": "POST",
        "url": target.endpoint,
        "body": body,
    }
    return json.dumps(line).encode() + b"\n"


def system_texts(queue: Queue) -> list[tuple[str, int]]:
    """Return the queue's system texts by how many items have them, most first."""
    counts: Counter[str] = Counter()
    texts: dict[str, str] = {}
    for page in pages(_item_ids(queue, None), PAGE_ITEMS):
        rows = Item.objects.filter(pk__in=page).values_list("input", flat=True)
        for prompt in rows:
            text = system_text(prompt or {})
            if text is not None:
                key = digest(text)
                texts[key] = text
                counts[key] += 1
    most = counts.most_common(MOST_SYSTEM_TEXTS)
    return [(texts[key], count) for key, count in most]
