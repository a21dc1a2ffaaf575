"""Each kind of act outside the review page leaves its row in the audit log."""

import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from accounts.models import Membership, Project
from curation.models import AuditEvent, DatasetVersion, Item, Queue
from tests.curation.answered import ended, handled, queue, two_models
from tests.curation.audit.log import ADMIN, permitted, said, signed_in
from tests.curation.datasets.ordering import order, run_queue
from tests.curation.datasets.reviewed import freeze, reviewed
from tests.curation.review.desk import make_person, make_queue, make_task
from tests.factories import jsonl, line, make_file, make_model, make_project

pytestmark = pytest.mark.django_db
QUEUE_FORM = {
    "name": "q", "mode": "pair", "instructions": "", "tags": "[]", "is_open": "on",
    "reviews_required": "1", "lease_seconds": "900", "order": "priority",
}  # fmt: skip


def act(client: Client, model: str, action: str, *rows: Any, **form: Any) -> Any:
    chosen = {"action": action, "_selected_action": [row.pk for row in rows]}
    return client.post(f"{ADMIN}{model}/", {**chosen, **form}, follow=True)


@pytest.fixture
def project() -> Project:
    return make_project("ours")


@pytest.fixture
def lead(project: Project) -> Client:
    return permitted(project, username="lea")


def test_locking_to_a_split(project: Project, lead: Client):
    items = [make_task(make_queue(project)).item for _ in range(2)]

    act(lead, "item", "lock_to_test", *items)
    act(lead, "item", "lock_to_test", *items)
    act(lead, "item", "lock_to_none", items[0])

    assert said() == [
        ("lea", "split_locked", "test"),
        ("lea", "split_locked", "test"),
        ("lea", "split_locked", "no split"),
    ]
    locks = dict(Item.objects.values_list("pk", "split_lock"))
    assert locks == {items[0].pk: "", items[1].pk: "test"}
    assert AuditEvent.objects.filter(item=items[1]).count() == 1


def test_a_lead_elsewhere_locks_nothing(project: Project):
    item = make_task(make_queue(project)).item

    act(permitted(make_project()), "item", "lock_to_train", item)

    item.refresh_from_db()
    assert item.split_lock == "" and said() == []


def test_making_and_changing_a_queue(project: Project, lead: Client):
    bob = make_person(project, username="bob")
    form = {**QUEUE_FORM, "project": project.pk}
    lead.post(f"{ADMIN}queue/add/", form)
    url = f"{ADMIN}queue/{Queue.objects.get().pk}/change/"

    changed = {**form, "reviews_required": "2", "assignees": [bob.pk]}
    lead.post(url, changed)
    lead.post(url, changed)
    lead.post(url, {**changed, "assignees": []})

    rows = said("queue_made", "queue_changed")
    assert [(name, action) for name, action, _ in rows] == [
        ("lea", "queue_made"), ("lea", "queue_changed"), ("lea", "queue_changed"),
    ]  # fmt: skip
    assert [detail for *_, detail in rows[1:]] == ["reviews_required, +bob", "−bob"]


def test_a_queue_made_by_a_tag_is_the_servers(project: Project):
    handled(ended({"One?": "Yes."}, project))

    batch = project.batches.get()
    assert said() == [
        ("server", "queue_made", ""), ("server", "imported", batch.pk),
    ]  # fmt: skip


def membership_form(project: Project, *rows: dict[str, Any]) -> dict[str, Any]:
    form: dict[str, Any] = {"name": project.name, "weight": "1"}
    known = sum("id" in row for row in rows)
    form |= {"memberships-TOTAL_FORMS": len(rows), "memberships-INITIAL_FORMS": known}
    for number, row in enumerate(rows):
        row = {"project": project.pk, **row}
        form |= {f"memberships-{number}-{key}": value for key, value in row.items()}
    return form


def test_roles_on_a_projects_page(project: Project):
    root = signed_in(make_person(is_superuser=True, username="root"))
    bob = make_person(username="bob")
    url = f"/admin/vllm_accounts/project/{project.pk}/change/"

    row: dict[str, Any] = {"user": bob.pk, "role": "reviewer"}
    root.post(url, membership_form(project, row))
    row["id"] = Membership.objects.get().pk
    root.post(url, membership_form(project, {**row, "role": "lead"}))
    root.post(url, membership_form(project, {**row, "role": "lead", "DELETE": "on"}))

    assert said() == [
        ("root", "role_given", "reviewer"),
        ("root", "role_changed", "reviewer → lead"),
        ("root", "role_taken", "lead"),
    ]
    assert not Membership.objects.exists()
    names = set(AuditEvent.objects.values_list("object_name", flat=True))
    assert names == {"bob in ours"}


def test_roles_given_by_a_projects_admin(project: Project):
    ann = permitted(project, "admin", username="ann")
    bob = make_person(username="bob")
    url = "/admin/vllm_accounts/membership/"

    ann.post(f"{url}add/", {"project": project.pk, "user": bob.pk, "role": "lead"})
    own = Membership.objects.get(user=bob)
    ann.post(f"{url}{own.pk}/change/", {"role": "reviewer"})
    ann.post(f"{url}{own.pk}/delete/", {"post": "yes"})

    assert said() == [
        ("ann", "role_given", "lead"),
        ("ann", "role_changed", "lead → reviewer"),
        ("ann", "role_taken", "reviewer"),
    ]
    assert not Membership.objects.filter(user=bob).exists()


@pytest.mark.parametrize("role", ["lead", "reviewer"])
def test_roles_are_given_by_nobody_else(project: Project, role: str):
    eve = make_project("elsewhere")
    client = permitted(project, role)
    Membership.objects.create(
        project=eve, user=make_person(username="root of eve"), role="admin"
    )
    form = {"project": eve.pk, "user": make_person().pk, "role": "admin"}

    response = client.post("/admin/vllm_accounts/membership/add/", form)
    listed = client.get("/admin/vllm_accounts/membership/").content.decode()

    assert response.status_code == 403 and "elsewhere" not in listed
    assert Membership.objects.filter(project=eve).count() == 1 and said() == []


def test_an_admin_of_one_project_gives_no_role_in_another(project: Project):
    other = make_project("elsewhere")
    client = permitted(project, "admin")
    form = {"project": other.pk, "user": make_person().pk, "role": "admin"}

    client.post("/admin/vllm_accounts/membership/add/", form)

    assert not Membership.objects.filter(project=other).exists() and said() == []


def test_importing_a_file_and_a_batch(project: Project, tmp_path: Path):
    path = tmp_path / "in.jsonl"
    path.write_text(json.dumps({"prompt": "One?", "answers": ["a", "b"]}))
    options = {"project": "ours", "queue": "q"}

    call_command("import_results", str(path), format="jsonl", **options)
    batch = ended({"One?": "Yes."}, project, metadata=None)
    call_command("import_results", batch.pk, queue="q")

    rows = said("imported")
    assert rows[0][2].startswith("import_") and rows[0][2].endswith(" (jsonl)")
    assert rows[1] == ("shell", "imported", batch.pk)
    assert said("queue_made") == [("shell", "queue_made", "")]


def test_sending_batches_to_curation(project: Project, lead: Client):
    batch = ended({"One?": "Yes."}, project, metadata=None)

    url = f"{ADMIN}comparison/send/?batches={batch.pk}"
    lead.post(url, {"queue": "q", "mode": ""})

    assert said() == [("lea", "queue_made", ""), ("lea", "imported", batch.pk)]


def test_comparing_models(project: Project, lead: Client):
    for name in ("stub", "other"):
        make_model(name)
    file = make_file(jsonl(line("a", "One?")), project)

    form = {"file": file.pk, "models": ["stub", "other"], "queue": "q", "mode": ""}
    lead.post(f"{ADMIN}comparison/add/", form)
    call_command("compare", file.pk, models=["stub"], queue="q")

    assert said("compared") == [
        ("lea", "compared", "stub, other"), ("shell", "compared", "stub"),
    ]  # fmt: skip


def test_letting_a_model_judge(project: Project, lead: Client):
    two_models(project)
    make_model("judge")

    lead.post(f"{ADMIN}queue/{queue().pk}/judge/", {"model": "judge"})

    ((name, _, detail),) = said("judged")
    assert name == "lea" and detail.startswith("2 tasks by judge in batch_")


def test_correcting_prompts(project: Project, lead: Client):
    two_models(project)
    item = Item.objects.order_by("pk")[0]
    url = f"/admin/review/{queue().pk}/correct/?items={item.pk}"

    lead.post(url, {"send": "1", "text-0": "Better?"})

    rows = said("corrected")
    assert len(rows) == 2 and {name for name, *_ in rows} == {"lea"}
    assert all(detail.startswith("1 lines in batch_") for *_, detail in rows)
    assert AuditEvent.objects.filter(item=item, action="corrected").count() == 2


def test_running_the_gold_set(project: Project, lead: Client):
    client, task = lead, make_task(make_queue(project))
    task.item.decisions.create(
        answer_candidate_id=task.candidate_ids[0], is_gold=True, method="import"
    )
    make_model("new")

    form = {"project": project.pk, "model": "new", "threshold": "0.8"}
    client.post(f"{ADMIN}evalrun/add/", form)

    ((name, _, detail),) = said("gold_run")
    assert name == "lea" and detail.startswith("1 prompts in batch_")


def test_looking_for_near_duplicates(project: Project, lead: Client):
    item = make_task(make_queue(project)).item

    act(lead, "item", "find_families", item)
    call_command("find_families", project="ours")

    assert said() == [("lea", "clustered", ""), ("shell", "clustered", "")]


def test_freezing_in_the_admin(project: Project, lead: Client):
    reviewed(2, project)

    form = {"project": project.pk, "name": "set", "kind": "dpo"}
    url = lead.post(f"{ADMIN}dataset/add/", form)["Location"]
    for _ in range(2):
        lead.post(url, {"test_ratio": "0", "seed": "1"})

    version = DatasetVersion.objects.get()
    manifest = f"2 examples, manifest {version.manifest_sha256}"
    assert said() == [("lea", "dataset_made", "dpo"), ("lea", "frozen", manifest)]


def test_freezing_and_exporting_by_command(project: Project, tmp_path: Path):
    freeze(reviewed(1, project), name="set")
    target = tmp_path / "out.jsonl"

    call_command("export_dataset", "set", profile="trl-dpo", output=target)

    assert [(name, action) for name, action, _ in said()] == [
        ("shell", "dataset_made"), ("shell", "frozen"), ("shell", "exported"),
    ]  # fmt: skip
    assert said("exported")[0][2] == "trl-dpo" and target.exists()


def test_an_export_that_is_refused_leaves_no_row(project: Project, tmp_path: Path):
    freeze(reviewed(1, project), name="set")

    with pytest.raises(Exception, match="10 rows"):
        call_command(
            "export_dataset", "set", profile="openai-dpo", output=tmp_path / "out"
        )

    assert said("exported") == []


def test_exporting_and_downloading_in_the_admin(project: Project, lead: Client):
    version = freeze(reviewed(1, project))
    order(lead, version, "trl-dpo")
    run_queue()
    artifact = version.artifacts.get()

    response: Any = lead.get(f"{ADMIN}artifact/{artifact.pk}/download/")
    assert b"".join(response.streaming_content)

    assert said("exported", "downloaded") == [
        ("lea", "exported", "trl-dpo"),
        ("lea", "downloaded", f"trl-dpo, sha256 {artifact.sha256}"),
    ]


@pytest.mark.parametrize(("path", "what"), [("csv", "CSV"), ("json", "JSON")])
def test_downloading_numbers(project: Project, lead: Client, path: str, what: str):
    own = make_queue(project)

    assert lead.get(reverse(f"numbers:{path}", args=[own.pk])).status_code == 200

    assert said() == [("lea", "downloaded", f"numbers as {what}")]


def test_deleting_a_project(project: Project):
    root = signed_in(make_person(is_superuser=True, username="root"))

    root.post(f"/admin/vllm_accounts/project/{project.pk}/delete/", {"post": "yes"})

    assert said() == [("root", "deleted", "")]
    event = AuditEvent.objects.get()
    assert (event.object_name, event.project) == ("ours", None)
