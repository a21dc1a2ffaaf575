"""Memory does not grow with the dataset."""

import importlib.util
import json
import subprocess
import sys

import pytest

from tests.rig.process import ROOT

FEW, MANY = 300, 2_000
# Any stage that held the many's texts would need 20 to 60 MiB more; they need 0 to 3.
MOST_GROWTH_KIB = 10 * 1024


@pytest.mark.timeout(600)
def test_two_thousand_members_take_no_more_memory_than_three_hundred(tmp_path):
    has_arrow = importlib.util.find_spec("pyarrow") is not None
    profiles = ["trl-dpo", "csv", *(["hf"] if has_arrow else [])]
    program = [sys.executable, "-m", "tests.curation.datasets.many"]

    done = subprocess.run(
        [*program, str(FEW), str(MANY), str(tmp_path), *profiles],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=560,
    )

    assert done.returncode == 0, done.stderr[-3000:]
    assert f"{MANY} members" in done.stdout
    rises = json.loads(done.stdout.splitlines()[-1])
    assert list(rises) == ["freeze", "verify", *profiles]
    assert max(rises.values()) < MOST_GROWTH_KIB, rises
    lines = (tmp_path / "many-trl-dpo").read_bytes().count(b"\n")
    assert lines > 1_700
