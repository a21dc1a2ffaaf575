"""`make load` at its smallest: it drives everything, and tells what is wrong."""

import os
import subprocess
import sys

import pytest

from tests.load.__main__ import main
from tests.load.calls import Call, Calls, outcome_of
from tests.load.figures import Figure, faults, table
from tests.rig.process import ROOT
from tests.topology.nginx import find_nginx

SMALL = (
    "--clients", "24", "--seconds", "10", "--pause", "1",
    "--slow", "12", "--slow-seconds", "6",
    "--uploads", "3", "--upload-bytes", "3000000", "--together",
)  # fmt: skip
# Those that say nothing of speed: this machine may be busy.
SURE = [
    "lines lost",
    "lines doubled",
    "lines torn",
    "complaints of the checker",
    "wrong contents",
    "slow clients that had none",
    "… not accepted",
    "… with wrong bytes",
    "temporary files left",
]


@pytest.mark.topology
@pytest.mark.timeout(600)
def test_a_small_load_loses_nothing():
    if not (find_nginx() and os.environ.get("DATABASE_URL")):
        pytest.skip("nginx and PostgreSQL are needed")

    done = subprocess.run(
        [sys.executable, "-m", "tests.load", *SMALL],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode in (0, 1), done.stdout + done.stderr
    rows = {line.split("  ")[0]: line.split()[-1] for line in done.stdout.splitlines()}
    assert [rows.get(name) for name in SURE] == ["ok"] * len(SURE), done.stdout
    assert "GET /batches/{id}" in rows and "unwanted answers: none" in done.stdout


def test_a_figure_beyond_its_limit_is_shown_as_failed():
    figures = [Figure("a", 1, 1), Figure("b", 1.5, 1, "s"), Figure("c", 9, None)]

    rows = table(figures).splitlines()[1:]

    assert [figure.is_good for figure in figures] == [True, False, True]
    assert [row.split()[-1] for row in rows] == ["ok", "FAILED", "9"]


def test_percentiles_are_those_of_a_route():
    seconds = [n / 100 for n in range(1, 101)]
    calls = Calls([Call("GET /files", "200", s, True) for s in seconds])
    calls.all.append(Call("GET /models", "500", 50, False))

    assert calls.percentile(95, "GET /files") == 0.95
    assert calls.percentile(100) == 50 and faults(calls) == "500: 1"


@pytest.mark.parametrize(
    ("status", "headers", "body", "outcome"),
    [
        (200, {}, b"", "200"),
        (500, {}, b"<html>", "500 without envelope"),
        (503, {}, b'{"error": []}', "503 without envelope without Retry-After"),
        (
            503,
            {"Retry-After": "1"},
            b'{"error":{"message":"","type":"","param":null,"code":null}}',
            "503",
        ),
    ],
)
def test_an_outcome_tells_what_an_answer_lacks(status, headers, body, outcome):
    assert outcome_of(status, headers, body) == outcome


def test_an_unknown_stage_is_refused(capsys):
    with pytest.raises(SystemExit):
        main(["nonsense"])

    assert "no such stage: nonsense" in capsys.readouterr().err
