"""Near-duplicates are never parted, and what is tested on is never trained with."""

import pytest
from django.core.management import CommandError, call_command

from curation.models import DatasetVersion, Item
from tests.curation.datasets.reviewed import freeze, permit, reviewed, won
from tests.curation.review.desk import Desk, make_queue

pytestmark = pytest.mark.django_db
LONG = "the quick brown fox jumps over the lazy dog and then runs far away home"


def splits(version: DatasetVersion) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for member in version.members.all():
        found.setdefault(member.provenance["cluster"], set()).add(member.split)
    return found


def lock(task, split: str, family: str = "") -> None:
    Item.objects.filter(pk=task.item_id).update(split_lock=split, family=family)


def test_a_cluster_is_never_parted():
    queue = reviewed(12)
    for number, item in enumerate(Item.objects.all()):
        Item.objects.filter(pk=item.pk).update(family=f"family {number // 3}")

    version = freeze(queue, test_ratio=0.5)

    found = splits(version)
    assert len(found) == 4 and all(len(one) == 1 for one in found.values())


def test_the_same_seed_draws_the_same_and_another_one_others():
    queue = reviewed(12)

    first = splits(freeze(queue, name="a", test_ratio=0.5))
    same = splits(freeze(queue, name="b", test_ratio=0.5))
    other = splits(freeze(queue, name="c", test_ratio=0.5, seed=2))

    assert first == same and first != other


def test_locked_items_go_where_they_are_locked_to():
    permit()
    queue = make_queue()
    for split in ("train", "test", "gold"):
        lock(won(Desk(queue)), split)

    version = freeze(queue, test_ratio=0.5)

    found = version.members.order_by("ordinal").values_list("split", flat=True)
    assert list(found) == ["train", "test", "gold"]


def test_a_near_duplicate_follows_the_locked_one():
    queue = reviewed(1)
    lock(won(Desk(queue)), "gold", "twins")
    Item.objects.update(family="twins")

    assert splits(freeze(queue)) == {"twins": {"gold"}}


@pytest.mark.parametrize("held", ["test", "gold"])
def test_a_train_cluster_that_touches_what_is_held_out_is_refused(held):
    queue = reviewed(1)
    lock(won(Desk(queue)), "train", "twins")
    lock(won(Desk(queue)), held, "twins")

    with pytest.raises(CommandError, match="twins"):
        freeze(queue)
    assert not DatasetVersion.objects.exists()


def test_held_out_items_count_even_if_they_were_not_reviewed():
    queue = reviewed(1)
    Item.objects.update(split_lock="train", family="twins")
    Item.objects.create(
        project=queue.project, input={}, input_hash="x", family="twins",
        split_lock="gold",
    )  # fmt: skip

    with pytest.raises(CommandError, match="twins"):
        freeze(queue)


def test_an_export_is_refused_if_a_lock_came_later(tmp_path):
    queue = reviewed(2)
    version = freeze(queue)
    item = Item.objects.get(pk=version.members.all()[0].provenance["item"])
    Item.objects.filter(pk=item.pk).update(split_lock="gold")

    with pytest.raises(CommandError, match="Near-duplicates"):
        call_command(
            "export_dataset", "set-dpo", profile="trl-dpo", output=tmp_path / "x"
        )
    assert list(tmp_path.iterdir()) == []


def test_an_export_is_refused_if_families_have_grown_together(tmp_path):
    permit()
    queue = make_queue()
    won(Desk(queue))
    lock(won(Desk(queue)), "test")
    freeze(queue)
    Item.objects.update(family="twins")

    with pytest.raises(CommandError, match="twins"):
        call_command(
            "export_dataset", "set-dpo", profile="trl-dpo", output=tmp_path / "x"
        )


def test_overlap_with_held_out_prompts_is_reported():
    permit()
    queue = make_queue()
    won(Desk(queue), prompt=f"Please explain: {LONG}.")
    lock(won(Desk(queue), prompt=f"Tell me why {LONG.upper()}"), "gold")
    won(Desk(queue), prompt="Something else entirely, with words of its own kind.")

    report = freeze(queue).reports["contamination"]

    assert report["members"] == 1 and report["first"][0]["member"] == 1
    assert "member 2" in report["first"][0]["with"]


@pytest.mark.parametrize("is_json", [True, False])
def test_overlap_with_a_named_file_is_reported(tmp_path, is_json):
    permit()
    queue = make_queue()
    won(Desk(queue), f"An answer: {LONG}.", "no")
    path = tmp_path / "bench.jsonl"
    path.write_text(f'{{"q": {{"text": "{LONG}"}}}}\n' if is_json else LONG)

    version = freeze(queue, compare_with=[str(path)])

    assert version.reports["contamination"]["first"][0]["with"] == "bench.jsonl, line 1"
    assert version.filter["compare_with"][0]["name"] == "bench.jsonl"


def test_a_file_that_is_not_there_is_refused():
    with pytest.raises(CommandError, match="cannot be read"):
        freeze(reviewed(1), compare_with=["/nowhere/at/all"])


@pytest.mark.parametrize("ratio", [-0.1, 1.0, float("nan")])
def test_a_ratio_that_is_none_is_refused(ratio):
    with pytest.raises(CommandError, match="test-ratio"):
        freeze(reviewed(1), test_ratio=ratio)
