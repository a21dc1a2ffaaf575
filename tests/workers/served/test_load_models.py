"""The command `load_models`, and what a served model may look like."""

from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command

from tests.factories import CHAT, make_client, make_model
from workers.catalog import find_models
from workers.models import ServedModel

pytestmark = pytest.mark.django_db

TWO = """
[[model]]
name = "llama"
source = "org/llama"
endpoints = ["/v1/chat/completions"]
[model.engine_args]
max_model_len = 4096

[[model]]
name = "fleet"
engine = "openai_http"
source = "http://10.0.0.1:8000/v1"
enabled = false
"""


@pytest.fixture
def load(tmp_path: Path) -> Any:
    """A function that loads a file with this text and returns what was printed."""

    def load(text: str) -> str:
        path = tmp_path / "models.toml"
        path.write_text(text)
        output = StringIO()
        call_command("load_models", str(path), stdout=output)
        return output.getvalue()

    return load


def test_every_model_of_the_file_is_made(load):
    printed = load(TWO)

    llama, fleet = (ServedModel.objects.get(name=name) for name in ("llama", "fleet"))
    assert (llama.engine, llama.source, llama.is_enabled) == ("vllm", "org/llama", True)
    assert llama.engine_args == {"max_model_len": 4096} and llama.endpoints == [CHAT]
    assert (fleet.engine, fleet.is_enabled) == ("openai_http", False)
    assert "2 models are served now: llama, fleet" in printed


def test_loading_again_changes_nothing(load):
    load(TWO)
    before = list(ServedModel.objects.values())

    load(TWO)

    assert list(ServedModel.objects.values()) == before


def test_loading_updates_a_model_that_is_there(load):
    make_model("llama", engine_args={"old": 1}, is_enabled=False)

    load(TWO)

    llama = ServedModel.objects.get(name="llama")
    assert (llama.engine, llama.is_enabled) == ("vllm", True)
    assert llama.engine_args == {"max_model_len": 4096}


def test_replicas_that_cannot_be_are_refused(load):
    text = '[[model]]\nname = "many"\nengine = "ray"\nsource = "org/many"\n'

    with pytest.raises(CommandError, match="ray.copies is unknown; there are block_li"):
        load(f"{text}engine_args = {{ray = {{copies = 2}}}}\n")
    load(f"{text}engine_args = {{ray = {{max_replicas = 2}}}}\n")


def test_models_the_file_does_not_name_stay(load):
    make_model("other")

    load(TWO)

    assert ServedModel.objects.filter(name="other").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no \\[\\[model\\]\\] table"),
        ("model = []", "holds no"),
        ('[model]\nname = "a"', "holds no"),
        ("no toml", "could not be read"),
        ('[[model]]\nsource = "a"', "lacks its name"),
        ("[[model]]\nname = 5", "lacks its name"),
        ('[[model]]\nname = ""', "cannot be blank"),
        ('[[model]]\nname = "a"\ncolour = 1', "unknown keys \\['colour'\\]"),
        ('[[model]]\nname = "a"\nengine = "gpt"', "Engines are: openai_http"),
        ('[[model]]\nname = "a"\nengine_args = []', "JSON object"),
        ('[[model]]\nname = "a"\nengine_args = "x"', "JSON object"),
        ('[[model]]\nname = "a"\nendpoints = "x"', "JSON list"),
        ('[[model]]\nname = "a"\nendpoints = [["x"]]', "JSON list"),
        ('[[model]]\nname = "a"\nendpoints = ["/v1/x"]', "/v1/rerank"),
        ('model = ["a"]', "holds no"),
        ('[[model]]\nname = "a"\nenabled = "perhaps"', "either True or False"),
        ('[[model]]\nname = "a"\nengine_args = {a = 2026-01-01}', "valid JSON"),
    ],
)
def test_a_file_that_is_wrong_is_refused(load, text, message):
    with pytest.raises(CommandError, match=message):
        load(text)

    assert not ServedModel.objects.exists()


def test_one_bad_model_keeps_all_from_being_loaded(load):
    with pytest.raises(CommandError, match="Model bad"):
        load(TWO + '[[model]]\nname = "bad"\nengine = "gpt"')

    assert not ServedModel.objects.exists()


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(CommandError, match="models.toml could not be read"):
        call_command("load_models", str(tmp_path / "models.toml"))


def test_the_catalog_has_enabled_models_with_their_endpoints(load):
    load(TWO)
    make_model("any")

    found = {name: offer.endpoints for name, offer in find_models().items()}
    assert found == {"llama": frozenset([CHAT]), "any": None}


def test_the_api_lists_enabled_models():
    make_model("org/some-model")
    make_model("off", is_enabled=False)

    data = make_client().get("/v1/models").json()["data"]

    assert [model["id"] for model in data] == ["org/some-model"]
    assert set(data[0]) == {"id", "object", "created", "owned_by"}


def test_the_api_describes_a_model_whose_name_has_a_slash():
    make_model("org/some-model")

    response = make_client().get("/v1/models/org/some-model")

    assert response.status_code == 200 and response.json()["id"] == "org/some-model"


@pytest.mark.parametrize("name", ["nope", "off"])
def test_the_api_knows_no_other_model(name):
    make_model("off", is_enabled=False)

    response = make_client().get(f"/v1/models/{name}")

    assert response.status_code == 404
    assert response.json()["error"]["code"] == "model_not_found"


def test_the_admin_refuses_an_engine_that_is_not_registered():
    with pytest.raises(ValidationError, match="Engines are"):
        ServedModel(name="a", engine="gpt").full_clean()


@pytest.mark.parametrize(
    ("endpoints", "is_served"), [([], True), ([CHAT], True), (["/v1/score"], False)]
)
def test_a_model_serves_its_endpoints_or_all(endpoints, is_served):
    assert make_model(endpoints=endpoints).serves(CHAT) is is_served
