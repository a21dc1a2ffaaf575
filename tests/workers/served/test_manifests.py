"""The manifest of a batch: written by the worker, read by clients, met or refused."""

import json
from typing import Any

import pytest
from django.contrib.admin.utils import quote
from django.test import Client

from accounts.models import Project
from batches.handlers.results import metadata_of
from batches.manifests import NEUTRAL, note
from batches.models import BatchJob
from tests.factories import (
    CHAT,
    line,
    lines,
    make_client,
    make_model,
    make_project,
    make_running_batch,
)
from tests.workers.runs import end, run
from vllm_batch import __version__
from vllm_batch.lib.clock import database_now
from workers.engines.stub import StubEngine
from workers.engines.vllm import BATCH_DEFAULTS, CPU_DEFAULTS
from workers.models import Heartbeat, ServedModel
from workers.running import feeding
from workers.served.facts import facts, weights_of

pytestmark = pytest.mark.django_db(transaction=True)
BATCHES = "/admin/vllm_batches/batchjob/"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not linger for more work."""
    monkeypatch.setattr(feeding, "LINGER_SECONDS", 0.0)
    monkeypatch.setattr(feeding, "POLL_SECONDS", 0.01)


@pytest.fixture
def project() -> Project:
    return make_project()


@pytest.fixture
def client(project: Project) -> Client:
    return make_client(project)


def engine(**engine_args: Any) -> StubEngine:
    return StubEngine(model="stub", source="", engine_args=engine_args)


def ran(project: Project, **engine_args: Any) -> BatchJob:
    """Return a batch of two lines that ran on a stub with these arguments."""
    ServedModel.objects.all().delete()
    make_model(engine_args=engine_args)
    batch = make_running_batch(*lines(2), project=project)
    run(engine(**engine_args))
    return end(batch)


def order(client: Client, batch: BatchJob, manifest_of: object) -> Any:
    """Order the batch's file again with a manifest."""
    body = {
        "input_file_id": batch.input_file_id,
        "endpoint": CHAT,
        "completion_window": "24h",
        "vllm_batch": {"manifest_of": manifest_of},
    }
    return client.post("/v1/batches", json.dumps(body), "application/json")


def entries(batch: BatchJob) -> list[dict[str, Any]]:
    batch.refresh_from_db()
    found: list[dict[str, Any]] = (batch.manifest or {}).get("entries", [])
    return found


def test_it_says_what_the_batch_ran_on(client, project):
    now = database_now()
    Heartbeat.objects.create(
        host="h",
        slot="s",
        pid=1,
        owner="alice",
        gpu={"name": "RTX 5060 Ti"},
        beat_at=now,
        progress_at=now,
    )
    batch = ran(project, max_model_len=512)

    answer = client.get(f"/v1/batches/{batch.pk}/manifest").json()

    (entry,) = answer["entries"]
    assert (answer["object"], answer["batch_id"]) == ("batch.manifest", batch.pk)
    assert (entry["model"], entry["engine"]) == ("stub", "stub")
    assert entry["engine_args"] == {"max_model_len": 512}
    assert (entry["server_version"], entry["gpu"]) == (__version__, "RTX 5060 Ti")
    assert entry["claimed_at"] >= answer["created_at"]


def test_without_a_card_it_says_cpu(project):
    assert entries(ran(project))[0]["gpu"] == "CPU"


def test_a_batch_that_never_ran_has_no_entries(client, project):
    batch = make_running_batch(project=project)
    assert client.get(f"/v1/batches/{batch.pk}/manifest").json()["entries"] == []


def test_another_projects_manifest_is_not_there(project):
    batch = ran(project)
    assert make_client().get(f"/v1/batches/{batch.pk}/manifest").status_code == 404


def test_each_model_of_a_batch_has_its_entry(project, configure):
    configure(BATCH_ALLOW_MIXED_MODELS=True)
    make_model("other")
    batch = make_running_batch(line("a"), line("b", model="other"), project=project)

    run(engine())
    run(StubEngine(model="other", source="", engine_args={}))

    assert [entry["model"] for entry in entries(batch)] == ["stub", "other"]


def test_the_same_engine_is_noted_once_and_another_beside_it(project):
    batch = ran(project)
    (first,) = entries(batch)

    note(batch.pk, {**first}, at=first["claimed_at"] + 5)
    note(batch.pk, {**first, "engine_args": {"a": 1}}, at=first["claimed_at"] + 9)

    assert [entry["engine_args"] for entry in entries(batch)] == [{}, {"a": 1}]


def test_result_handlers_get_it(project):
    assert metadata_of(ran(project)).manifest["entries"][0]["model"] == "stub"


def test_a_batch_runs_again_on_the_same_engine(client, project):
    batch = ran(project, max_model_len=512)

    answer = order(client, batch, batch.pk)

    again = BatchJob.objects.get(pk=answer.json()["id"])
    end(again)
    run(engine(max_model_len=512, concurrency=8))
    assert end(again).status == "completed" and again.pinned_manifest == batch.manifest


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"engine_args": {"max_model_len": 64}}, "max_model_len was 512 and is 64"),
        ({"engine_args": {}}, "engine_args.max_model_len was 512 and is not set"),
        ({"revision": "abc"}, "revision was not set and is abc"),
        ({"quantization": "fp8"}, "quantization was not set and is fp8"),
        ({"source": "org/x"}, "source was not set and is org/x"),
        ({"chat_template": "{{ x }}"}, "chat_template_sha256 was not set and is"),
        ({"lora_adapters": [{"name": "x"}]}, "lora_adapters was not set and is"),
        ({"is_enabled": False}, "the model stub is not served any more"),
    ],
)
def test_each_difference_of_the_served_model_is_named(client, project, fields, text):
    batch = ran(project, max_model_len=512)
    ServedModel.objects.update(**fields)

    answer = order(client, batch, batch.pk)

    error = answer.json()["error"]
    assert answer.status_code == 400 and error["param"] == "vllm_batch.manifest_of"
    assert text in error["message"] and batch.pk in error["message"]


def test_what_only_changes_the_speed_is_no_difference(client, project):
    batch = ran(project, max_model_len=512, max_num_seqs=8)
    ServedModel.objects.update(engine_args={"max_model_len": 512, "max_num_seqs": 9})
    assert order(client, batch, batch.pk).status_code == 200


def test_a_batch_without_a_manifest_cannot_be_met(client, project):
    batch = make_running_batch(project=project)

    answer = order(client, batch, batch.pk)

    assert answer.status_code == 400
    assert "has no manifest" in answer.json()["error"]["message"]


@pytest.mark.parametrize("manifest_of", ["batch_nope", "theirs"])
def test_a_batch_of_nobody_or_of_others_is_not_found(client, project, manifest_of):
    batch = ran(project)
    theirs = ran(make_project())

    answer = order(client, batch, theirs.pk if manifest_of == "theirs" else manifest_of)

    assert answer.status_code == 404
    assert answer.json()["error"]["param"] == "vllm_batch.manifest_of"


def test_a_worker_with_another_engine_pauses_the_batch(client, project):
    batch = ran(project, max_model_len=512)
    again = BatchJob.objects.get(pk=order(client, batch, batch.pk).json()["id"])
    end(again)

    run(engine(max_model_len=64))

    again.refresh_from_db()
    assert again.status == "in_progress" and again.completed == 0
    assert "max_model_len was 512 and is 64" in again.paused_reason
    assert again.manifest is None and not again.chunks.exclude(lease_owner="").exists()


def test_other_batches_run_while_one_is_paused(client, project):
    batch = ran(project, max_model_len=512)
    again = BatchJob.objects.get(pk=order(client, batch, batch.pk).json()["id"])
    end(again)
    other = make_running_batch(project=project)

    run(engine(max_model_len=64))

    assert end(other).status == "completed"


def test_the_admin_shows_it_and_runs_the_batch_again(admin_client, project):
    batch = ran(project, max_model_len=512)

    page = admin_client.get(f"{BATCHES}{quote(batch.pk)}/change/").content.decode()
    form = {"action": "run_again", "_selected_action": [batch.pk]}
    answer = admin_client.post(BATCHES, form, follow=True).content.decode()

    again = BatchJob.objects.exclude(pk=batch.pk).get()
    assert "server_version" in page and f"runs again as {again.pk}" in answer
    assert again.input_file_id == batch.input_file_id
    assert again.pinned_manifest == batch.manifest


def test_what_runs_again_has_all_that_was_ordered(admin_client, project):
    batch = ran(project, max_model_len=512)
    tried = {"lines": 1, "max_failed_share": 0.1, "max_cut_off_share": 0.2}
    BatchJob.objects.update(
        priority=7,
        output_expires_seconds=3600,
        canary={**tried, "chunks": 1, "state": "passed", "failed": 0, "cut_off": 0},
    )

    form = {"action": "run_again", "_selected_action": [batch.pk]}
    admin_client.post(BATCHES, form, follow=True)

    again = BatchJob.objects.exclude(pk=batch.pk).get()
    assert (again.priority, again.output_expires_seconds) == (7, 3600)
    assert again.canary == tried


def test_the_admin_says_why_it_cannot(admin_client, project):
    batch = ran(project, max_model_len=512)
    ServedModel.objects.update(engine_args={})

    form = {"action": "run_again", "_selected_action": [batch.pk]}
    answer = admin_client.post(BATCHES, form, follow=True).content.decode()

    assert "max_model_len was 512 and is not set" in answer
    assert BatchJob.objects.count() == 1


def test_a_folder_is_known_by_its_files(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    before = weights_of(str(tmp_path), "")

    (tmp_path / "config.json").write_text("[]")

    after = weights_of(str(tmp_path), "")
    assert before and after and before != after and before.startswith("sha256:")


def test_a_hub_model_is_known_by_its_commit(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    refs = tmp_path / "models--org--m" / "refs"
    refs.mkdir(parents=True)
    (refs / "main").write_text("c0ffee\n")

    assert weights_of("org/m", "") == "c0ffee"
    assert weights_of("org/m", "../main") is None and weights_of("org/n", "") is None


def test_secrets_stay_out_of_it():
    found = facts(
        "openai_http",
        "http://user:secret@10.0.0.1:8000/v1",
        {"api_key": "secret", "hf_token": "secret", "tries": 2},
    )
    assert "secret" not in json.dumps(found) and "10.0.0.1:8000" in found["source"]


def test_our_defaults_for_vllm_change_only_its_speed():
    assert {*BATCH_DEFAULTS, *CPU_DEFAULTS} <= NEUTRAL
