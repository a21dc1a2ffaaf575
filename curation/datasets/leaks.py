"""Whether what is trained with has come to touch what is tested on, since freezing."""

from collections.abc import Iterator

from curation.datasets.evidence import cluster_of
from curation.datasets.splits import HELD_OUT, leakage, locks_of
from curation.models import DatasetVersion, Item
from curation.models.item import Split

PAGE_MEMBERS = 500
_MOST_NAMED = 100


def check_leaks(version: DatasetVersion) -> None:
    """Raise LeakageFound if a cluster in train is held out, as it was or as it is now.

    Families grow and items are locked after a version was frozen.
    """
    locks = locks_of(version.dataset.project)
    held = {cluster for cluster, found in locks.items() if found & set(HELD_OUT)}
    for page in _pages(version, is_train=False):
        held.update(cluster for clusters in page for cluster in clusters)
    torn: dict[str, None] = {}
    for page in _pages(version, is_train=True):
        torn.update(dict.fromkeys(c for found in page for c in found & held))
        if len(torn) > _MOST_NAMED:
            break
    if torn:
        raise leakage(list(torn))


def _pages(version: DatasetVersion, *, is_train: bool) -> Iterator[list[set[str]]]:
    """Yield members' clusters, those at the freeze and those of now, in pages."""
    rows = version.members.order_by("ordinal")
    rows = rows.filter(split=Split.TRAIN) if is_train else rows.exclude(split="train")
    last = 0
    fields = ("ordinal", "provenance__cluster", "provenance__item")
    while page := list(
        rows.filter(ordinal__gt=last).values_list(*fields)[:PAGE_MEMBERS]
    ):
        last = page[-1][0]
        items = Item.objects.filter(pk__in=[item for _, _, item in page])
        now = {
            pk: cluster_of(family, key)
            for pk, family, key in items.values_list("pk", "family", "input_hash")
        }
        yield [{cluster, now.get(item, cluster)} for _, cluster, item in page]
