"""The command `plan_model`, and the same in the admin."""

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import OperationalError
from django.test import Client

from tests.factories import make_model
from tests.workers.memory.checkpoints import write_config, write_safetensors

pytestmark = pytest.mark.django_db


def plan_model(*arguments: str) -> str:
    output = StringIO()
    call_command("plan_model", *arguments, "--gpu", "16GiB", stdout=output)
    return output.getvalue()


def plan_json(*arguments: str) -> Any:
    return json.loads(plan_model(*arguments, "--json"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a small model."""
    write_config(tmp_path / "small")
    write_safetensors(
        tmp_path / "small" / "model.safetensors", {"x": ("BF16", [1000, 1000])}
    )
    return tmp_path / "small"


def test_a_folder_is_planned(folder):
    printed = plan_model(str(folder))
    assert f"{folder} fits on 16.00 GiB" in printed and "max_model_len = " in printed


def test_a_bare_config_is_planned(folder):
    found = plan_json(str(folder / "config.json"))
    assert found["weights"]["counted_from"] == "config.json"


def test_a_served_model_is_planned_with_its_arguments(folder):
    args = {"max_model_len": 300, "max_num_seqs": 7}
    make_model("mine", engine="vllm", source=str(folder), engine_args=args)

    found = plan_json("mine")

    assert found["model"] == "mine" and found["weights"]["bytes"] == 2_000_000
    assert found["engine_args"]["max_num_seqs"] == 7
    assert found["engine_args"]["max_model_len"] == 300


def test_the_command_line_goes_over_the_models_arguments(folder):
    args = {"max_model_len": 300}
    make_model("mine", engine="vllm", source=str(folder), engine_args=args)
    options = ["--max-model-len", "500", "--kv-cache-dtype", "fp8"]

    found = plan_json("mine", *options)["engine_args"]

    assert (found["max_model_len"], found["kv_cache_dtype"]) == (500, "fp8")


def test_a_hub_id_is_found_in_the_hubs_cache(folder, monkeypatch, tmp_path):
    snapshot = tmp_path / "models--org--small" / "snapshots" / "abc"
    snapshot.parent.mkdir(parents=True)
    folder.rename(snapshot)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    found = plan_json("org/small")
    assert found["weights"]["counted_from"] == "the safetensors headers"


@pytest.mark.parametrize("name", ["nope", "org/nope", "../..", "/etc", "x" * 5000])
def test_a_model_nobody_knows_is_refused_in_words(name):
    with pytest.raises(CommandError, match=r"Nothing is known|could not be read"):
        plan_model(name)


def test_a_model_that_is_served_elsewhere_loads_nothing():
    make_model("far", engine="openai_http", source="http://10.0.0.1/v1")
    with pytest.raises(CommandError, match="openai_http, which loads no weights"):
        plan_model("far")


def test_a_broken_config_is_named(tmp_path):
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(CommandError, match=r"config\.json is not JSON"):
        plan_model(str(tmp_path))


def test_a_length_below_one_is_refused(folder):
    with pytest.raises(CommandError, match="max_model_len"):
        plan_model(str(folder), "--max-model-len", "-7")


@pytest.fixture
def admin(client: Client) -> Client:
    """A client that is logged in to the admin."""
    client.force_login(User.objects.create_superuser("boss"))
    return client


def page(admin: Client, model: Any, query: str = "") -> str:
    url = f"/admin/vllm_workers/servedmodel/{model.pk}/change/{query}"
    return admin.get(url).content.decode()


def test_the_admin_shows_the_plan_for_a_chosen_card(admin, folder):
    model = make_model("mine", engine="vllm", source=str(folder))
    assert "mine fits on 16.00 GiB" in page(admin, model)
    assert "mine fits on 24.00 GiB" in page(admin, model, "?gpu=24GiB")


def test_the_admin_says_why_there_is_no_plan(admin):
    assert "which loads no" in page(admin, make_model("stub"))
    nowhere = make_model("mine", engine="vllm", source="/nope")
    assert "Nothing is known of" in page(admin, nowhere)


def test_the_admin_escapes_what_it_is_asked_for(admin):
    model = make_model("mine", engine="vllm", source="Qwen/Qwen3-4B")
    text = page(admin, model, "?gpu=<script>")
    assert "&lt;script&gt;&#x27; is no size" in text and "'<script>" not in text


def test_the_admin_saves_a_model_and_adds_one_as_before(admin, folder):
    model = make_model("mine", engine="vllm", source=str(folder))
    url = f"/admin/vllm_workers/servedmodel/{model.pk}/change/"
    fields = {"name": "new", "engine": "stub", "engine_args": "{}", "endpoints": "[]"}
    fields["may_train_others"] = "unknown"
    assert admin.post(url, fields).status_code == 302
    model.refresh_from_db()
    assert model.name == "new"
    assert admin.get("/admin/vllm_workers/servedmodel/add/").status_code == 200


def test_a_folder_is_planned_before_there_is_a_database(folder, monkeypatch):
    def fail(**fields: Any) -> Any:
        raise OperationalError("no such table")

    monkeypatch.setattr("workers.memory.sources.ServedModel.objects.filter", fail)
    assert "fits on" in plan_model(str(folder))
