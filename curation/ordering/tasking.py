"""Make a queue's tasks from the answers its sources have brought, and order them."""

import random
from collections.abc import Iterable, Sequence

from django.db import transaction
from django.db.models import Exists, OuterRef

from curation.canonical import digest_text
from curation.judging.opinions import Opinion, opinions_of
from curation.models import Candidate, Queue, Review, Source, Task
from curation.models.queue import Mode
from curation.models.task import State
from curation.ordering.combinations import Group, groups
from curation.ordering.priority import Judged, Rating, rate

# What a task is made from; not the answers themselves, which may be long.
_FIELDS = (
    "item_id",
    "model",
    "model_revision",
    "parameters_hash",
    "text_hash",
    "logprob_least_gap",
    "checks",
)
DECIDED = "decided before it was imported"
DECIDED_SHARE = 0.1
_random = random.SystemRandom()


def make_tasks(queue: Queue, item_ids: Iterable[int]) -> int:
    """Make the tasks that are missing for some items; return how many.

    Safe to repeat, and beside another one for the same items: whoever comes last sees
    both one's answers. Tasks that are there get the priority they have now.
    """
    by_item = _candidates(queue, item_ids)
    known = _known(queue, by_item)
    opinions = opinions_of(task.pk for task in known.values())
    new, changed = [], []
    for item_id, candidates in by_item.items():
        for group in groups(queue.mode, candidates):
            key = item_id, hash_of(group)
            task = known.get(key)
            rating = _rate(group, candidates, opinions.get(task.pk) if task else None)
            if task is None:
                new.append(_new(queue, key, group, rating))
            elif (task.priority, task.reasons) != (rating.priority, rating.reasons):
                task.priority, task.reasons = rating.priority, rating.reasons
                changed.append(task)
    with transaction.atomic():
        Task.objects.bulk_create(new, ignore_conflicts=True)
        Task.objects.bulk_update(changed, ["priority", "reasons"])
        if queue.mode == Mode.RANK:
            _void_outgrown(queue, new)
    return len(new)


def _candidates(queue: Queue, item_ids: Iterable[int]) -> dict[int, list[Candidate]]:
    sources = Source.objects.filter(queue=queue).values_list("batch_id", flat=True)
    rows = Candidate.objects.filter(
        item_id__in=list(item_ids), batch_id__in=list(sources)
    )
    found: dict[int, list[Candidate]] = {}
    for candidate in rows.only(*_FIELDS).order_by("item_id", "pk"):
        found.setdefault(candidate.item_id, []).append(candidate)
    return found


def _known(queue: Queue, item_ids: Iterable[int]) -> dict[tuple[int, str], Task]:
    tasks = Task.objects.filter(queue=queue, item_id__in=list(item_ids))
    return {(task.item_id, task.candidates_hash): task for task in tasks}


def hash_of(group: Sequence[Candidate]) -> str:
    """Return the hash that tells one group of answers from another."""
    return digest_text(",".join(str(candidate.pk) for candidate in group))


def _new(queue: Queue, key: tuple[int, str], group: Group, rating: Rating) -> Task:
    item_id, candidates_hash = key
    return Task(
        queue=queue,
        item_id=item_id,
        candidate_ids=[candidate.pk for candidate in group],
        candidates_hash=candidates_hash,
        priority=rating.priority,
        reasons=rating.reasons,
        random_key=_random.random(),
        open_slots=queue.reviews_required,
    )


def _rate(group: Group, all_: Sequence[Candidate], opinion: Opinion | None) -> Rating:
    shown = {candidate.pk for candidate in group}
    rating = rate(
        [_judged(candidate) for candidate in group],
        [_judged(other) for other in all_ if other.pk not in shown],
        is_contested=opinion.is_contested if opinion else None,
    )
    if not any(candidate.checks.get("decided") for candidate in group):
        return rating
    # What nobody has decided yet comes first.
    return Rating(rating.priority * DECIDED_SHARE, [*rating.reasons, DECIDED])


def _judged(candidate: Candidate) -> Judged:
    checks = candidate.checks
    return Judged(
        normal_hash=checks.get("normal_hash", candidate.text_hash),
        length=checks.get("length", 0),
        least_gap=candidate.logprob_least_gap,
        breaks_schema=checks.get("schema") is False,
    )


def _void_outgrown(queue: Queue, new: Sequence[Task]) -> None:
    """Take back rank tasks that nobody began, where there are more answers now."""
    hashes = {task.item_id: task.candidates_hash for task in new}
    idle = Task.objects.filter(
        ~Exists(Review.objects.filter(task=OuterRef("pk"))),
        queue=queue,
        item_id__in=hashes,
        state=State.OPEN,
        review_count=0,
    )
    idle.exclude(candidates_hash__in=hashes.values()).update(state=State.VOID)
