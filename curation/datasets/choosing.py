"""Which items a version is made of: ids only, so that a million fit into memory."""

from array import array
from collections.abc import Iterator

from django.db.models import Count, Exists, OuterRef, Q, QuerySet
from django.db.models.expressions import Value
from django.db.models.functions import Coalesce, NullIf, Substr
from django.db.models.lookups import Exact

from curation.datasets.filter import Filter
from curation.models import Dataset, Decision, Item, Task
from curation.models.dataset import Kind
from curation.models.review import ReviewStatus


def chosen_items(dataset: Dataset, chosen_by: Filter) -> "array[int]":
    """Return the ids of the items that fit the filter, in order."""
    decided = _decided(dataset.kind, chosen_by)
    items = Item.objects.filter(project=dataset.project_id).filter(Exists(decided))
    if chosen_by.queues:
        names = chosen_by.queues
        reviewed = Task.objects.filter(item=OuterRef("pk"), queue__name__in=names)
        items = items.filter(Exists(reviewed))
    if not chosen_by.one_per_cluster:
        return array("q", items.order_by("pk").values_list("pk", flat=True).iterator())
    return array("q", sorted(_best_of_each(items)))


def _decided(kind: str, chosen_by: Filter) -> QuerySet[Decision]:
    found = Decision.objects.filter(item=OuterRef("pk"), is_current=True)
    if kind in (Kind.SFT, Kind.ICL):
        is_none = Q(answer_candidate=None, answer_revision=None)
        found = found.exclude(is_none)
        if chosen_by.queues:
            # An imported decision belongs to no task; its item is in the queue.
            here = Q(task=None) | Q(task__queue__name__in=chosen_by.queues)
            found = found.filter(here)
    if chosen_by.gold_only or kind == Kind.ICL:
        found = found.filter(is_gold=True)
    if chosen_by.since is not None:
        found = found.filter(created_at__gte=chosen_by.since)
    return found


def _best_of_each(items: QuerySet[Item]) -> Iterator[int]:
    """Yield the best reviewed item of each cluster: gold, then most reviews, oldest."""
    own = Substr("input_hash", 1, 32)
    gold = Decision.objects.filter(item=OuterRef("pk"), is_current=True, is_gold=True)
    submitted = Q(tasks__reviews__status=ReviewStatus.SUBMITTED)
    rows = items.annotate(
        cluster=Coalesce(NullIf("family", Value("")), own),
        gold=Exact(Exists(gold), Value(True)),
        review_count=Count("tasks__reviews", filter=submitted),
    ).order_by("cluster", "-gold", "-review_count", "pk")
    last = None
    for cluster, pk in rows.values_list("cluster", "pk").iterator():
        if cluster != last:
            yield pk
        last = cluster
