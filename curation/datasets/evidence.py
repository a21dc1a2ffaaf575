"""What is known of an item, loaded for a page of items at a time."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from django.db.models import Q

from curation.datasets.filter import Filter
from curation.models import Candidate, Decision, Item, Review, Revision, Task
from curation.models.decision import Method
from curation.models.review import Outcome, ReviewStatus
from curation.models.task import State

# Prompts and answers of so many items are in memory at once.
PAGE_ITEMS = 50
_COUNTED = (Outcome.WIN, Outcome.TIE, Outcome.BOTH_BAD)


@dataclass(frozen=True)
class Verdict:
    """What a finished task came to: by most of its reviewers, or by a lead.

    `winner` is a candidate's id; none if all are bad or alike (`outcome` tells).
    """

    task: Task
    outcome: str
    winner: int | None
    reviews: tuple[int, ...] = ()
    is_adjudicated: bool = False

    @property
    def mode(self) -> str:
        """How the task's queue is reviewed."""
        return self.task.queue.mode


@dataclass
class Evidence:
    """An item with its answers, corrections, verdicts, and the decision in force."""

    item: Item
    decision: Decision
    candidates: dict[int, Candidate] = field(default_factory=dict)
    revisions: dict[int, Revision] = field(default_factory=dict)
    verdicts: list[Verdict] = field(default_factory=list)
    tags: set[str] = field(default_factory=set)

    @property
    def cluster(self) -> str:
        """What is never parted between splits."""
        return cluster_of(self.item.family, self.item.input_hash)


def cluster_of(family: str, input_hash: str) -> str:
    """Return an item's cluster: its family, else itself, as families are named."""
    return family or input_hash[:32]


def load(ids: Sequence[int], chosen_by: Filter) -> Iterator[Evidence]:
    """Yield what is known of these items, in the order of their ids."""
    items = Item.objects.in_bulk(ids)
    decisions = list(Decision.objects.filter(item__in=ids).order_by("pk"))
    found = {
        decision.item_id: Evidence(items[decision.item_id], decision)
        for decision in decisions
        if decision.is_current
    }
    # The message is in `output`; `text` would double the page.
    for candidate in Candidate.objects.filter(item__in=found).defer("text"):
        found[candidate.item_id].candidates[candidate.pk] = candidate
    for revision in Revision.objects.filter(item__in=found):
        found[revision.item_id].revisions[revision.pk] = revision
    _add_verdicts(found, decisions, chosen_by)
    for pk in ids:
        if pk in found and _is_wanted(found[pk], chosen_by):
            yield found[pk]


def _is_wanted(one: Evidence, chosen_by: Filter) -> bool:
    return not chosen_by.tags or bool(one.tags & set(chosen_by.tags))


def _add_verdicts(
    found: dict[int, Evidence], decisions: list[Decision], chosen_by: Filter
) -> None:
    tasks = Task.objects.filter(item__in=found, state=State.DONE)
    if chosen_by.queues:
        tasks = tasks.filter(queue__name__in=chosen_by.queues)
    rows = list(tasks.select_related("queue").order_by("pk"))
    last = {one.task_id: one for one in decisions if one.task_id is not None}
    reviews: dict[int, list[Review]] = defaultdict(list)
    counted = Q(status=ReviewStatus.SUBMITTED, outcome__in=_COUNTED)
    for review in Review.objects.filter(counted, task__in=rows).defer("edits"):
        reviews[review.task_id].append(review)
    for task in rows:
        evidence = found[task.item_id]
        for review in reviews[task.pk]:
            evidence.tags.update(map(str, review.tags))
        verdict = _verdict(task, reviews[task.pk], last.get(task.pk), evidence)
        if verdict is not None:
            evidence.verdicts.append(verdict)
    for evidence in found.values():
        for revision in evidence.revisions.values():
            evidence.tags.update(map(str, revision.tags))


def _verdict(
    task: Task, reviews: list[Review], last: Decision | None, evidence: Evidence
) -> Verdict | None:
    """Return the lead's word if there is one, else what more than half said."""
    if last is not None and last.method == Method.ADJUDICATED:
        winner = last.answer_candidate_id
        if last.answer_revision_id is not None:
            winner = evidence.revisions[last.answer_revision_id].candidate_id
        found = Outcome.WIN if winner else Outcome.BOTH_BAD
        return Verdict(task, found, winner, is_adjudicated=True)
    votes = Counter((one.outcome, one.winner_id) for one in reviews)
    if not votes:
        return None
    (outcome, winner), count = votes.most_common(1)[0]
    if 2 * count <= len(reviews):
        return None
    agreeing = [
        one.pk for one in reviews if (one.outcome, one.winner_id) == (outcome, winner)
    ]
    return Verdict(task, outcome, winner, tuple(agreeing))
