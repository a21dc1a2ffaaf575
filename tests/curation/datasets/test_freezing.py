"""What goes into a frozen version, and what it promises."""

import json
from io import StringIO
from threading import Thread
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from curation.models import Candidate, DatasetMember, DatasetVersion, Decision, Item
from tests.curation.datasets.reviewed import (
    freeze,
    pairs,
    payloads,
    permit,
    reviewed,
    won,
)
from tests.curation.review.desk import Desk, make_candidate, make_queue, make_task
from tests.factories import make_project

pytestmark = pytest.mark.django_db


def test_the_filter_keeps_what_was_asked_for():
    permit()
    queue = make_queue(tags=["nice"])
    won(Desk(queue), "tagged", "x", tags=["nice"])
    won(Desk(queue), "gold", "x", is_gold=True)
    other = make_queue(queue.project)
    won(Desk(other), "elsewhere", "x")

    def chosen(name: str, **options: Any) -> list[str]:
        return [better for better, _ in pairs(freeze(queue, name=name, **options))]

    assert chosen("a", queue=[queue.name]) == ["tagged", "gold"]
    assert chosen("b", tag=["nice"]) == ["tagged"]
    assert chosen("c", gold_only=True) == ["gold"]
    with pytest.raises(CommandError, match="Nothing fits"):
        freeze(queue, name="d", since="2999-01-01")
    with pytest.raises(CommandError, match="Nothing fits"):
        freeze(queue, name="e", model=["secret-model-1"])


def test_a_member_knows_where_it_comes_from():
    queue = reviewed(1)
    task = queue.tasks.get()
    candidate = Candidate.objects.get(pk=task.candidate_ids[0])

    found = freeze(queue).members.get().provenance

    chosen = found["answers"]["chosen"]
    assert (chosen["candidate"], chosen["batch"]) == (candidate.pk, "batch_test")
    assert (chosen["line"], chosen["custom_id"]) == (
        candidate.line,
        candidate.custom_id,
    )
    assert chosen["model"] == "secret-model-0" and found["item"] == task.item_id
    assert found["reviews"] == [task.reviews.get().pk]
    assert found["decision"] == Decision.objects.get().pk


def test_versions_are_numbered_and_an_equal_one_is_not_made_twice():
    queue = reviewed(1)

    first, again = freeze(queue), freeze(queue)
    won(Desk(queue))
    second = freeze(queue)

    assert (first, again) == (again, first) and second.number == 2
    assert DatasetVersion.objects.count() == 2


def test_a_frozen_version_does_not_follow_later_reviews():
    queue = reviewed(1)
    version = freeze(queue)
    before = payloads(version)

    Decision.objects.all().delete()

    assert payloads(version) == before


def test_models_without_permission_are_refused_unless_allowed():
    queue = reviewed(1, permitted=False)
    permit("secret-model-0")
    permit("secret-model-1", may="no")

    with pytest.raises(CommandError, match=r"secret-model-1 \(no\)"):
        freeze(queue)
    assert not DatasetVersion.objects.exists()
    version = freeze(queue, allow_unlicensed=True)

    assert version.filter["unlicensed"] == ["secret-model-1"]
    assert version.reports["licences"]["secret-model-0"]["may_train_others"] == "yes"


def test_a_model_nobody_serves_counts_as_unknown():
    queue = reviewed(1, permitted=False)

    with pytest.raises(CommandError, match=r"secret-model-0 \(unknown\)"):
        freeze(queue)


def test_equal_examples_are_left_out():
    queue = reviewed(1)
    for _ in range(2):
        won(Desk(queue), "same", "other", prompt="Same?")

    version = freeze(queue)

    assert len(payloads(version)) == 2
    assert version.reports["duplicates"]["dropped"] == 1


def test_one_prompt_of_each_cluster_is_the_best_reviewed_one():
    permit()
    queue = make_queue()
    won(Desk(queue), "plain", "x")
    won(Desk(queue), "star", "x", is_gold=True)
    Item.objects.update(family="twins")

    version = freeze(queue, one_per_cluster=True)

    assert pairs(version) == [("star", "x")]


def test_pairs_that_differ_in_white_space_only_are_left_out():
    queue = reviewed(1)
    won(Desk(queue), "a  b", "a b\n")

    version = freeze(queue)

    assert version.reports["skipped"] == {"both answers are the same": 1}


def test_the_length_meter_warns():
    permit()
    queue = make_queue()
    for number in range(20):
        won(Desk(queue), f"{number} " + "long " * 20, f"short {number}")

    bias = freeze(queue).reports["length_bias"]

    assert bias["share_much_longer"] == 1 and "longer" in bias["warning"]


@pytest.mark.parametrize(
    "prompt",
    [
        {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
        {"prompt": [1, 2, 3]},
        {"messages": "no list"},
        {"messages": [{"role": "alien", "content": "hi"}]},
        {"input": [{"type": "reasoning"}]},
    ],
)
def test_a_prompt_that_is_no_chat_is_left_out_and_counted(prompt):
    queue = reviewed(1)
    won(Desk(queue), prompt=prompt)

    version = freeze(queue)

    assert len(payloads(version)) == 1 and sum(version.reports["skipped"].values()) == 1


@pytest.mark.parametrize(
    ("prompt", "messages"),
    [
        ({"prompt": "Once"}, [("user", "Once")]),
        (
            {"instructions": "Be brief.", "input": "Hi"},
            [("system", "Be brief."), ("user", "Hi")],
        ),
        (
            {
                "messages": [
                    {"role": "developer", "content": "x"},
                    {"role": "user", "content": [{"type": "text", "text": "y"}]},
                ]
            },
            [("system", "x"), ("user", "y")],
        ),
    ],
)
def test_every_endpoints_prompt_becomes_messages(prompt, messages):
    permit()
    queue = make_queue()
    won(Desk(queue), prompt=prompt)

    (found,) = payloads(freeze(queue))

    assert [(m["role"], m["content"]) for m in found["prompt"]] == messages


def test_the_command_says_what_is_in_the_version():
    queue = reviewed(2)
    out = StringIO()

    call_command(
        "freeze_dataset", "s", project=queue.project.name, kind="dpo",
        test_ratio=0.0, stdout=out,
    )  # fmt: skip

    text = out.getvalue()
    assert "2 examples: 2 train" in text and text.strip().endswith("s@1")


@pytest.mark.parametrize("name", ["", "a b", "../x", "x" * 101, "\0"])
def test_a_name_no_dataset_can_have_is_refused(name):
    queue = reviewed(1)

    with pytest.raises(CommandError, match="name"):
        freeze(queue, name=name)


def test_a_dataset_keeps_its_kind():
    queue = reviewed(1)
    freeze(queue, name="s")

    with pytest.raises(CommandError, match="of kind dpo"):
        freeze(queue, "sft", name="s")


def test_other_projects_reviews_stay_out():
    queue = reviewed(1)
    reviewed(2, make_project())

    assert len(pairs(freeze(queue))) == 1


def test_imported_preferences_make_pairs(tmp_path):
    row = {"prompt": "Q?", "chosen": "good", "rejected": "bad"}
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(row) + "\n")
    queue = make_queue()
    call_command(
        "import_results", str(path), format="jsonl", queue=queue.name,
        project=queue.project.name,
    )  # fmt: skip

    version = freeze(queue, allow_unlicensed=True)

    assert pairs(version) == [("good", "bad")]
    manifest = version.members.get().provenance["answers"]["chosen"]["manifest"]
    assert "record" not in json.dumps(manifest)


def test_tool_calls_are_kept():
    permit()
    queue = make_queue()
    call = {"id": "c1", "type": "function",
            "function": {"name": "f", "arguments": '{"a": 1}'}}  # fmt: skip
    tools = [{"type": "function", "function": {"name": "f", "parameters": {}}}]
    task = make_task(
        queue, "[]", "other",
        prompt={"messages": [{"role": "user", "content": "Go"}], "tools": tools},
    )  # fmt: skip
    Candidate.objects.filter(pk=task.candidate_ids[0]).update(
        output={"role": "assistant", "content": None, "tool_calls": [call]}
    )
    Desk(queue).vote_for(task.candidate_ids[0])

    (found,) = payloads(freeze(queue))

    assert found["chosen"][0]["tool_calls"] == [call] and found["tools"] == tools


def test_an_answer_cut_for_review_is_left_out():
    queue = reviewed(1)
    task = won(Desk(queue))
    Candidate.objects.filter(pk=task.candidate_ids[0]).update(
        checks={"characters": 2_000_000}
    )

    assert len(pairs(freeze(queue))) == 1


def test_members_hashes_are_unique():
    version = freeze(reviewed(3))

    hashes = DatasetMember.objects.values_list("payload_hash", flat=True)
    assert len(set(hashes)) == 3 and version.reports["members"]["total"] == 3


def test_candidates_that_vanished_make_no_pair():
    queue = reviewed(1)
    task = won(Desk(queue))
    Candidate.objects.filter(pk=task.candidate_ids[1]).delete()

    assert len(pairs(freeze(queue))) == 1
    assert make_candidate(task.item, "late", model="late")


@pytest.mark.django_db(transaction=True)
def test_two_freezes_at_once_never_share_a_number():
    queue = reviewed(3)
    freeze(queue, name="s", seed=99)
    told = []

    def again(seed: int) -> None:
        try:
            freeze(queue, name="s", seed=seed)
        except CommandError as error:
            told.append(str(error))
        finally:
            connection.close()

    threads = [Thread(target=again, args=[seed]) for seed in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    numbers = DatasetVersion.objects.order_by("number").values_list("number", flat=True)
    assert list(numbers) == list(range(1, 5 - len(told)))
    assert all("at the same time" in text for text in told)
    assert all(one.members.count() == 3 for one in DatasetVersion.objects.all())
