"""Label Studio's page, as an annotator has it in Chromium."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from accounts.models import Project
from curation.models import Candidate, Review, Revision
from tests.label_studio.server import Server
from tests.label_studio.test_round_trip import make_pair, push, row
from tests.rig.chromium import find_chromium
from tests.rig.process import ROOT

pytestmark = [pytest.mark.django_db, pytest.mark.browser, pytest.mark.timeout(600)]


def annotate(
    server: Server, task: dict[str, Any], keys: str, correction: str, shot: Path
) -> dict[str, Any]:
    """Let the annotator do one task; return what was to be seen."""
    path = f"/projects/{row().remote_id}/data?task={task['id']}"
    module = [sys.executable, "-m", "tests.label_studio.annotator"]
    done = subprocess.run(
        [*module, server.url, path, keys, correction, str(shot)],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr
    seen: dict[str, Any] = json.loads(done.stdout)
    return seen


def side(task: dict[str, Any], letter: str) -> Candidate:
    """Return the answer that stands on a side."""
    return Candidate.objects.get(pk=task["data"]["shown"][letter])


def test_an_annotator_sees_both_answers_and_decides_by_keys(
    server: Server, project: Project, tmp_path: Path
):
    if find_chromium() is None:
        pytest.skip("there is no Chromium")
    # To be looked at by people.
    shots = Path(os.environ.get("SCREENSHOTS", tmp_path))
    make_pair(project, 2)
    push()
    first, second = server.tasks(row().remote_id or 0)

    seen = annotate(server, first, "1g", "", shots / "first.png")
    annotate(server, second, "2", "purple says so", shots / "second.png")

    a, b = side(first, "a"), side(first, "b")
    for html, answer in zip(seen["answers"], (a, b), strict=True):
        assert f"{answer.model} says <strong>" in html
    for choice in ("A better[1]", "B better[2]", "Tie[3]", "Both bad[4]", "gold[g]"):
        assert choice in seen["text"]
    # One of the two stands there, to be corrected.
    assert a.text in seen["text"] or b.text in seen["text"]
    call_command("pull_label_studio")
    one, two = Review.objects.order_by("task_id", "pk").select_related("task")
    if one.winner_id not in first["data"]["shown"].values():
        one, two = two, one
    assert (one.outcome, one.winner_id, one.is_gold) == ("win", a.pk, True)
    assert (two.outcome, two.winner_id) == ("win", side(second, "b").pk)
    (revision,) = Revision.objects.all()
    assert (revision.review, revision.text) == (two, "purple says so")
