"""Memory does not grow with the dataset."""

import importlib.util
import subprocess
import sys

import pytest

from tests.rig.process import ROOT

FEW, MANY = 1_000, 8_000
# Held in memory, the many would be some 80 MiB. Arrow keeps a row group or two.
MOST_GROWTH_KIB = 30 * 1024


def peak(number: int, folder, *profiles: str) -> int:
    """Return the most memory a process needed, in KiB."""
    folder.mkdir()
    command = [sys.executable, "-m", "tests.curation.datasets.many", str(number)]
    done = subprocess.run(
        [*command, str(folder), *profiles],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert f"{number} members" in done.stdout
    return int(done.stdout.splitlines()[-1])


@pytest.mark.timeout(600)
def test_eight_thousand_members_take_no_more_memory_than_one_thousand(tmp_path):
    has_arrow = importlib.util.find_spec("pyarrow") is not None
    profiles = ["trl-dpo", "csv", *(["hf"] if has_arrow else [])]

    few = peak(FEW, tmp_path / "few", *profiles)
    many = peak(MANY, tmp_path / "many", *profiles)

    assert many - few < MOST_GROWTH_KIB
    lines = (tmp_path / "many" / "trl-dpo").read_bytes().count(b"\n")
    assert lines > 6_800
