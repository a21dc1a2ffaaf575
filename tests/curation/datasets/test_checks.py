"""The setting CURATION_EXPORTERS is checked at the start."""

import pytest

from curation.checks import check_exporters
from curation.exporters.base import JsonlExporter
from curation.exporters.registry import exporters
from tests.curation.datasets.exporting import dataset, export, rows


class Plain(JsonlExporter):
    """Somebody's own exporter."""

    name = "plain"
    kinds = frozenset({"sft"})

    def row(self, example):
        return {"q": example.prompt[-1]["content"], "a": example.answer["content"]}


class Nameless(JsonlExporter):
    kinds = frozenset({"sft"})


class Odd(JsonlExporter):
    name = "odd"
    kinds = frozenset({"rlhf"})


HERE = "tests.curation.datasets.test_checks"


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("trl", "E001"),
        (["no.such.module"], "E002"),
        ([3], "E002"),
        (["json.dumps"], "E003"),
        ([f"{HERE}.Nameless"], "E004"),
        ([f"{HERE}.Plain", "curation.exporters.trl.TrlDpo", f"{HERE}.Twin"], "E005"),
        ([f"{HERE}.Odd"], "E006"),
    ],
)
def test_a_wrong_setting_is_reported(settings, value, code):
    settings.CURATION_EXPORTERS = value

    assert [found.id for found in check_exporters()] == [f"curation.{code}"]


class Twin(Plain):
    """Another one of that name."""


def test_the_built_in_ones_are_fine():
    assert check_exporters() == [] and len(exporters()) == 11


@pytest.mark.django_db
def test_ones_own_exporter_is_used(settings, tmp_path):
    settings.CURATION_EXPORTERS = [f"{HERE}.Plain"]
    dataset("sft", "a?")

    export("plain", tmp_path / "out")

    assert rows(tmp_path / "out") == [{"q": "a?", "a": "good"}]
