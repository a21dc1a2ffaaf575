"""Exports in the background: made once, whoever dies."""

from datetime import timedelta

import pytest
from django_q.models import OrmQ

from curation.datasets.artifacts import sweep_artifacts
from curation.datasets.tasks import make_artifact
from curation.models import (
    Artifact,
    Item,
)
from tests.curation.datasets.exporting import dataset
from tests.curation.datasets.ordering import ADMIN, order, run_queue
from vllm_batch.lib.clock import database_now

pytestmark = pytest.mark.django_db


def test_a_failed_export_says_why_and_can_be_asked_for_again(admin_client):
    version = dataset("dpo", "only one?")

    order(admin_client, version, "openai-dpo")
    run_queue()

    failed = Artifact.objects.get()
    page = admin_client.get(f"{ADMIN}artifact/{failed.pk}/change/").content.decode()
    assert failed.state == "failed" and "wants 10 rows; there are 1" in failed.error
    assert "wants 10 rows; there are 1" in page
    order(admin_client, version, "openai-dpo")
    assert Artifact.objects.get().state == "waiting"


def test_a_leak_that_came_later_fails_the_export(admin_client):
    version = dataset("dpo", "one?", "two?")
    Item.objects.update(split_lock="gold")

    order(admin_client, version, "trl-dpo")
    run_queue()

    assert "Near-duplicates" in Artifact.objects.get().error


def test_a_task_that_runs_twice_makes_it_once(admin_client):
    version = dataset("dpo")
    order(admin_client, version, "trl-dpo")
    run_queue()
    ready = Artifact.objects.get()

    make_artifact(ready.pk)

    assert Artifact.objects.get().attempts == 1


def test_nobody_takes_an_export_that_somebody_makes():
    version = dataset("dpo")
    held = Artifact.objects.create(
        version=version, profile="trl-dpo", state="running", attempts=1,
        lease_expires_at=database_now() + timedelta(seconds=60),
    )  # fmt: skip

    make_artifact(held.pk)
    sweep_artifacts()

    assert Artifact.objects.get().state == "running" and not OrmQ.objects.exists()


def test_an_export_whose_maker_died_is_made_by_the_next_one():
    version = dataset("dpo")
    Artifact.objects.create(
        version=version, profile="trl-dpo", state="running", attempts=1, rows=3,
        path="artifacts/half.zip",
        lease_expires_at=database_now() - timedelta(seconds=1),
    )  # fmt: skip

    sweep_artifacts()
    run_queue()

    made = Artifact.objects.get()
    assert (made.state, made.attempts, made.rows) == ("ready", 2, 16)


def test_an_export_that_breaks_off_again_and_again_fails():
    version = dataset("dpo")
    stuck = Artifact.objects.create(
        version=version, profile="trl-dpo", state="running", attempts=3
    )

    make_artifact(stuck.pk)

    assert "Broken off 3 times" in Artifact.objects.get().error


def test_a_full_disk_is_waited_for(settings, tmp_path):
    version = dataset("dpo")
    row = Artifact.objects.create(version=version, profile="trl-dpo")
    in_the_way = tmp_path / "no folder"
    in_the_way.write_text("")
    settings.FILE_UPLOAD_TEMP_DIR = in_the_way

    make_artifact(row.pk)

    assert Artifact.objects.get().state == "running"
