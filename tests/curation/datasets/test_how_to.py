"""The how-to's commands, run word by word."""

import re
import shlex
from io import StringIO

import pytest
from django.core.management import call_command

from curation.models import Queue
from tests.curation.datasets.exporting import rows
from tests.curation.datasets.reviewed import reviewed
from tests.factories import make_project
from tests.rig.process import ROOT

pytestmark = pytest.mark.django_db
PAGE = ROOT / "docs" / "how-to" / "export-training-data.md"


def commands() -> list[list[str]]:
    """Return the page's commands, as a shell would split them."""
    blocks = re.findall(r"^```sh\n(.*?)^```", PAGE.read_text(), flags=re.M | re.S)
    lines = "".join(blocks).replace("\\\n", "").splitlines()
    found = [shlex.split(line) for line in lines]
    assert all(one[:2] == [".venv/bin/python", "manage.py"] for one in found)
    return [one[2:] for one in found]


def test_the_how_to_leads_to_a_verified_file(tmp_path, monkeypatch):
    queue = reviewed(12, make_project("research"))
    Queue.objects.filter(pk=queue.pk).update(name="Which is better")
    monkeypatch.chdir(tmp_path)

    out = StringIO()
    for name, *arguments in commands():
        call_command(name, *arguments, stdout=out)

    found = rows(tmp_path / "preferences.jsonl")
    assert {frozenset(row) for row in found} == {
        frozenset({"prompt", "chosen", "rejected"})
    }
    assert (tmp_path / "preferences.jsonl.provenance.jsonl").exists()
    assert "preferences@1 is intact" in out.getvalue()
