"""The ready-made models: they load, they fit, and the docs say what they do."""

import tomllib
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command

from tests.rig.process import ROOT
from workers.memory.plan import Plan
from workers.memory.quantization import AWQ
from workers.memory.report import engine_args
from workers.memory.sources import Source, plan_for, read_model
from workers.memory.table import GIB, MODELS, best_plan
from workers.models import ServedModel
from workers.presets import FACTS, MODELS_16_GIB

ENTRIES: list[dict[str, Any]] = tomllib.loads(MODELS_16_GIB.read_text())["model"]
each_entry = pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry["name"])
# The entry without a checkpoint of its own: what it will be made from.
MADE_AT_HOME = "allenai/OLMo-2-1124-13B-Instruct"


def hub_id(entry: dict[str, Any]) -> str:
    """Return the entry's model in the table."""
    return next(i for i in MODELS.values() if i.lower().endswith(f"/{entry['name']}"))


def text_of(page: str) -> str:
    return (ROOT / "docs" / "reference" / page).read_text()


def best(entry: dict[str, Any]) -> Plan:
    found = read_model(Source(entry["name"], hub_id(entry)))
    return best_plan(found, 16 * GIB)[1]


@pytest.mark.django_db
def test_the_file_loads_as_it_is():
    call_command("load_models", str(MODELS_16_GIB), stdout=StringIO())
    assert ServedModel.objects.count() == len(MODELS) == 7
    assert ServedModel.objects.filter(is_enabled=False).count() == 1


@each_entry
def test_the_entry_says_what_its_licence_allows(entry):
    assert entry["licence"] and entry["may_train_others"] in ("yes", "no")
    assert entry["licence"].split()[0] in text_of("served-models.md")


@each_entry
def test_the_arguments_are_the_plans(entry):
    args = engine_args(best(entry))
    if "gemma" not in entry["name"]:
        del args["language_model_only"]
    assert entry["engine_args"] == args


@each_entry
def test_the_entry_fits_on_16_gib(entry):
    if entry["source"].startswith("/"):
        assert hub_id(entry) == MADE_AT_HOME and entry["enabled"] is False
        assert best(entry).weights.method == AWQ.method
        return
    source = Source(entry["name"], entry["source"], entry["engine_args"])
    found = plan_for(source, 16 * GIB)
    assert found.fits and found.requests >= 16


def test_every_fact_names_its_source():
    for path in FACTS.glob("*.json"):
        assert "https://huggingface.co/" in path.read_text()


def test_the_table_in_the_docs_is_what_the_command_prints():
    output = StringIO()
    call_command("model_table", stdout=output)
    page = (ROOT / "docs" / "reference" / "models.md").read_text()
    assert page == output.getvalue()


def test_a_quantized_checkpoint_weighs_what_was_seen():
    # A public benchmark of this checkpoint logged 7.84 GiB, image encoder included.
    source = Source("a", "RedHatAI/gemma-3-12b-it-quantized.w4a16")
    found = plan_for(source, 16 * GIB).weights
    assert found.bytes / GIB == pytest.approx(7.84, rel=0.01)
