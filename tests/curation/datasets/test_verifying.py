"""A version that was changed is found out, and two are compared."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from curation.models import DatasetMember, DatasetVersion
from tests.curation.datasets.reviewed import freeze, permit, reviewed, won
from tests.curation.review.desk import Desk, make_queue
from tests.factories import make_project

pytestmark = pytest.mark.django_db


def run(command: str, *names: str, **options) -> str:
    out = StringIO()
    call_command(command, *names, stdout=out, **options)
    return out.getvalue()


def test_what_was_frozen_is_intact():
    version = freeze(reviewed(3))

    text = run("verify_dataset", "set-dpo@1")

    assert "set-dpo@1 is intact: 3 members" in text and version.manifest_sha256 in text


def test_texts_that_databases_spell_otherwise_are_intact():
    permit()
    queue = make_queue()
    odd = {"maximum": 1e22, "minimum": 1e-7, "default": 2.0, "e\u0301": "e\u0301"}
    tools = [{"type": "function", "function": {"name": "f", "parameters": odd}}]
    messages = [{"role": "user", "content": "e\u0301 \u2028 \u0085 🙂"}]
    won(Desk(queue), prompt={"messages": messages, "tools": tools})
    freeze(queue)

    assert "intact" in run("verify_dataset", "set-dpo")


def change_payload(member):
    payload = {**member.payload, "prompt": [{"role": "user", "content": "forged"}]}
    DatasetMember.objects.filter(pk=member.pk).update(payload=payload)


def change_payload_and_hash(member):
    change_payload(member)
    from curation.datasets.hashing import digest_payload

    member.refresh_from_db()
    DatasetMember.objects.filter(pk=member.pk).update(
        payload_hash=digest_payload(member.payload)
    )


def change_split(member):
    DatasetMember.objects.filter(pk=member.pk).update(split="test")


def remove(member):
    member.delete()


def change_filter(member):
    DatasetVersion.objects.update(filter={"kind": "dpo"})


@pytest.mark.parametrize(
    ("tamper", "named"),
    [
        (change_payload, "member 2 was changed"),
        (change_payload_and_hash, "manifest"),
        (change_split, "manifest"),
        (remove, "member 2 is missing"),
        (change_filter, "manifest"),
    ],
)
def test_whatever_is_changed_is_found(tamper, named):
    version = freeze(reviewed(3))

    tamper(version.members.get(ordinal=2))

    with pytest.raises(CommandError, match=named) as found:
        run("verify_dataset", "set-dpo@1")
    assert found.value.returncode == 1


def test_a_last_member_that_is_gone_is_missed():
    version = freeze(reviewed(3))
    version.members.get(ordinal=3).delete()

    with pytest.raises(CommandError, match="3 were frozen"):
        run("verify_dataset", "set-dpo@1")


def test_a_damaged_version_is_not_exported(tmp_path):
    version = freeze(reviewed(3))
    change_payload(version.members.get(ordinal=2))

    with pytest.raises(CommandError, match="Member 2 of set-dpo@1"):
        run("export_dataset", "set-dpo", profile="trl-dpo", output=tmp_path / "x")
    assert list(tmp_path.iterdir()) == []


def test_two_versions_are_compared_by_example():
    queue = reviewed(2)
    old = freeze(queue)
    won(Desk(queue))
    new = freeze(queue)
    gone = new.members.get(ordinal=1)
    gone.delete()

    text = run("diff_datasets", "set-dpo@1", "set-dpo@2")

    assert f"+ train #3  item {new.members.get(ordinal=3).provenance['item']}" in text
    assert f"- train #1  item {old.members.get(ordinal=1).provenance['item']}" in text
    assert text.endswith("1 new, 1 gone, 0 moved\n")


def test_an_example_in_another_split_has_moved():
    queue = reviewed(1)
    freeze(queue)
    queue.project.items.update(split_lock="test")
    freeze(queue)

    text = run("diff_datasets", "set-dpo@1", "set-dpo@2")

    assert "~ train → test #1" in text


@pytest.mark.parametrize("name", ["nothing", "set-dpo@9", "set-dpo@0", "@", "a\0b"])
def test_an_unknown_name_is_told(name):
    freeze(reviewed(1))

    with pytest.raises(CommandError, match="There is no"):
        run("verify_dataset", name)


def test_a_name_of_two_projects_needs_the_project():
    for _ in range(2):
        queue = reviewed(1, make_project())
        freeze(queue)

    with pytest.raises(CommandError, match="--project"):
        run("verify_dataset", "set-dpo")
    assert "intact" in run("verify_dataset", "set-dpo", project=queue.project.name)
