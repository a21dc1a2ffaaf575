"""Datasets in the admin: made, frozen, verified, exported in the background."""

import io
import json
import re
import zipfile
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client

from accounts.models import Membership
from curation.models import (
    Artifact,
    Dataset,
    DatasetMember,
    DatasetVersion,
)
from files.models import batch_storage
from tests.curation.datasets.exporting import dataset
from tests.curation.datasets.ordering import ADMIN, order, run_queue
from tests.curation.datasets.reviewed import freeze, reviewed, won
from tests.curation.review.desk import Desk, make_person

pytestmark = pytest.mark.django_db


def act(client: Client, model: str, action: str, *rows: Any) -> Any:
    form = {"action": action, "_selected_action": [row.pk for row in rows]}
    return client.post(f"{ADMIN}{model}/", form, follow=True)


def lead(project: Any = None, role: str = "lead") -> Client:
    user = make_person(project, role)
    user.user_permissions.set(
        Permission.objects.filter(content_type__app_label="vllm_curation")
    )
    client = Client()
    client.force_login(user)
    return client


def test_a_dataset_is_made_and_frozen(admin_client):
    queue = reviewed(2)

    form = {"project": queue.project_id, "name": "set", "kind": "dpo"}
    page = admin_client.post(f"{ADMIN}dataset/add/", form, follow=True)
    url = page.redirect_chain[-1][0]
    form = {"queues": queue.name, "test_ratio": "0", "seed": "1"}
    shown = admin_client.post(url, form, follow=True).content.decode()

    version = DatasetVersion.objects.get()
    assert version.created_by is not None and version.filter["queues"] == [queue.name]
    assert "set@1 is frozen" in shown and "2 examples: 2 train" in shown
    assert "Apache-2.0; may train others: yes" in shown


def test_why_nothing_was_frozen_is_shown(admin_client):
    queue = reviewed(1, permitted=False)
    made = Dataset.objects.create(project=queue.project, name="s", kind="dpo")

    url = f"{ADMIN}dataset/{made.pk}/freeze/"
    page = admin_client.post(url, {"test_ratio": "0", "seed": "1"}).content.decode()

    assert "May these models" in page and not DatasetVersion.objects.exists()


def test_actions_lead_to_the_pages(admin_client):
    version = freeze(reviewed(1))

    one = act(admin_client, "dataset", "freeze", version.dataset)
    two = act(admin_client, "datasetversion", "export", version)

    assert one.redirect_chain[-1][0].endswith("/freeze/")
    assert two.redirect_chain[-1][0].endswith("/export/")
    assert b"trl-dpo" in two.content and b"trl-sft" not in two.content


def test_verifying_says_what_was_changed(admin_client):
    version = freeze(reviewed(2))

    assert b"is intact: 2 members" in act(
        admin_client, "datasetversion", "verify", version
    ).content  # fmt: skip
    DatasetMember.objects.filter(ordinal=2).update(payload={"prompt": []})
    page = act(admin_client, "datasetversion", "verify", version).content.decode()

    assert "is damaged: member 2 was changed" in page


def test_two_versions_are_compared(admin_client):
    queue = reviewed(1)
    first = freeze(queue)
    won(Desk(queue))
    second = freeze(queue)

    page = act(admin_client, "datasetversion", "compare", first, second)

    shown = page.content.decode()
    assert "From set-dpo@1 to set-dpo@2: 1 new, 0 gone" in shown
    member = second.members.order_by("-ordinal")[0]
    assert member.payload["prompt"][-1]["content"] in shown
    assert member.payload["chosen"][0]["content"] in shown


def test_versions_of_another_project_are_not_compared(admin_client):
    ours, theirs = freeze(reviewed(1), name="a"), freeze(reviewed(1), name="b")
    client = lead(ours.dataset.project)
    url = f"{ADMIN}datasetversion/{ours.pk}/differences"

    assert client.get(f"{url}/{ours.pk}/").status_code == 200
    for other in (theirs.pk, 999_999):
        assert client.get(f"{url}/{other}/").status_code == 403


def test_one_version_or_three_are_not_compared(admin_client):
    version = freeze(reviewed(1))

    page = act(admin_client, "datasetversion", "compare", version)

    assert b"Choose two versions." in page.content


def test_an_export_is_made_in_the_background_and_downloaded(admin_client):
    version = dataset("dpo", test_ratio=0.4)

    order(admin_client, version, "trl-dpo")
    waiting = Artifact.objects.get()
    assert waiting.state == "waiting"
    run_queue()

    page = admin_client.get(f"{ADMIN}artifact/{waiting.pk}/change/").content.decode()
    (url,) = re.findall(r'href="([^"]*/download/)"', page)
    response = admin_client.get(url)
    archive = zipfile.ZipFile(io.BytesIO(b"".join(response.streaming_content)))
    assert sorted(archive.namelist()) == [
        "provenance.jsonl", "report.json", "test.jsonl", "train.jsonl",
    ]  # fmt: skip
    assert "set-1-trl-dpo.zip" in response["Content-Disposition"]
    report = json.loads(archive.read("report.json"))
    assert report["manifest_sha256"] == version.manifest_sha256
    rows = archive.read("provenance.jsonl").splitlines()
    assert len(rows) == 16 == Artifact.objects.get().rows


def test_the_page_of_an_export_follows_it_until_it_is_ready(admin_client):
    version = dataset("dpo")
    order(admin_client, version, "trl-dpo")
    url = f"{ADMIN}artifact/{Artifact.objects.get().pk}/change/"
    Artifact.objects.update(rows=4)

    waiting = admin_client.get(url)
    Artifact.objects.update(rows=0)
    run_queue()
    ready = admin_client.get(url)

    assert waiting["Refresh"] == "3"
    shown = 'aria-valuenow="4" aria-valuemin="0" aria-valuemax="16"'
    assert shown in waiting.content.decode()
    assert "Refresh" not in ready and "16 of 16" in ready.content.decode()


def test_a_folder_is_downloaded_as_an_archive(admin_client):
    pq = pytest.importorskip("pyarrow.parquet")
    version = dataset("dpo")

    order(admin_client, version, "hf")
    run_queue()

    artifact = Artifact.objects.get()
    assert artifact.state == "ready", artifact.error
    with batch_storage().open(artifact.path) as stream:
        archive = zipfile.ZipFile(io.BytesIO(stream.read()))
    table = pq.read_table(io.BytesIO(archive.read("dpo/train-00000.parquet")))
    assert table.num_rows == 16 and "README.md" in archive.namelist()


def test_asking_again_makes_nothing_anew(admin_client):
    version = dataset("dpo")
    order(admin_client, version, "trl-dpo")
    run_queue()
    before = Artifact.objects.get()

    order(admin_client, version, "trl-dpo")
    run_queue()

    after = Artifact.objects.get()
    assert (after.path, after.state) == (before.path, "ready")


def test_other_options_make_it_anew_and_drop_the_old_file(admin_client):
    version = dataset("dpo")
    order(admin_client, version, "trl-dpo")
    run_queue()
    before = Artifact.objects.get()

    order(admin_client, version, "trl-dpo", skip_invalid="on")
    run_queue()

    after = Artifact.objects.get()
    assert after.state == "ready" and after.path != before.path
    assert not batch_storage().exists(before.path)
    assert after.sha256 != before.sha256 or after.bytes == before.bytes


def test_another_projects_lead_sees_and_downloads_nothing(admin_client):
    version = dataset("dpo")
    order(admin_client, version, "trl-dpo")
    run_queue()
    artifact = Artifact.objects.get()
    stranger = lead(reviewed(0).project)
    reviewer = lead(version.dataset.project, "reviewer")
    url = f"{ADMIN}artifact/{artifact.pk}/download/"

    codes = [c.get(url).status_code for c in (stranger, reviewer, Client())]
    assert codes == [404, 404, 302]
    response: Any = lead(version.dataset.project).get(url)
    assert response.status_code == 200 and b"".join(response.streaming_content)
    for model in ("dataset", "datasetversion", "artifact"):
        page = stranger.get(f"{ADMIN}{model}/")
        assert len(page.context["cl"].result_list) == 0


def test_another_projects_lead_freezes_and_exports_nothing():
    version = dataset("dpo")
    stranger = lead(reviewed(0).project)

    one = stranger.post(f"{ADMIN}dataset/{version.dataset_id}/freeze/", {})
    two = stranger.post(f"{ADMIN}datasetversion/{version.pk}/export/", {})
    three = lead(version.dataset.project, "reviewer").get(f"{ADMIN}dataset/add/")

    assert (one.status_code, two.status_code, three.status_code) == (403, 403, 302)


@pytest.mark.parametrize("model", ["dataset", "datasetversion", "artifact"])
@pytest.mark.parametrize("view", ["change", "delete"])
def test_nothing_is_changed_by_hand(admin_client, model, view):
    version = dataset("dpo")
    Artifact.objects.create(version=version, profile="x")
    pk = {"dataset": version.dataset_id, "datasetversion": version.pk}.get(
        model, Artifact.objects.get().pk
    )

    response = admin_client.post(f"{ADMIN}{model}/{pk}/{view}/", {"post": "yes"})

    assert response.status_code == 403


def test_memberships_are_what_counts():
    version = dataset("dpo")
    client = lead(version.dataset.project)
    Membership.objects.all().delete()

    page = client.get(f"{ADMIN}datasetversion/")

    assert len(page.context["cl"].result_list) == 0
