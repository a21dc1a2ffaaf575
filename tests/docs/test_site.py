"""The site of `make docs` builds, and no link or anchor in it leads nowhere."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.rig.process import ROOT

OUTSIDE = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")


def build(source: Path, site: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", str(source / "docs" / "build.sh"), str(site)],
        env={**os.environ, "PYTHON": sys.executable},
        capture_output=True,
        text=True,
    )


def test_the_site_builds_without_a_warning(tmp_path: Path):
    done = build(ROOT, tmp_path)

    assert done.returncode == 0, done.stderr
    assert 'href="../README.html"' in (tmp_path / "docs/index.html").read_text()
    assert "docs/index.html" in (tmp_path / "index.html").read_text()


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A copy of what builds the site, with a page or two."""
    docs = tmp_path / "docs"
    docs.mkdir()
    for name in ("conf.py", "build.sh"):
        shutil.copy(ROOT / "docs" / name, docs)
    for name in ("_front", "_static"):
        shutil.copytree(ROOT / "docs" / name, docs / name)
    listed = [f"- [{name}](../{name})\n" for name in OUTSIDE]
    (docs / "index.md").write_text(f"# Index\n\n## All\n\n{''.join(listed)}")
    for name in OUTSIDE:
        (tmp_path / name).write_text("# Title\n\n## A part of it\n")
    return tmp_path


def test_what_is_whole_passes(small: Path):
    with (small / "README.md").open("a") as page:
        page.write("\nSee [its part](CHANGELOG.md#a-part-of-it).\n")

    assert build(small, small / "site").returncode == 0


def test_each_link_that_leads_nowhere_is_found(small: Path):
    for name in OUTSIDE:
        with (small / name).open("a") as page:
            page.write("\n[a](gone.md), [b](#lost), [c](docs/index.md#missing)\n")

    done = build(small, small / "site")

    assert done.returncode != 0
    for name in OUTSIDE:
        said = [x for x in done.stderr.splitlines() if f"/{name}:" in x]
        found = {word for word in ("gone", "lost", "missing") if word in str(said)}
        assert found == {"gone", "lost", "missing"}, done.stderr


def test_a_page_that_no_list_names_fails(small: Path):
    (small / "docs" / "lost.md").write_text("# Lost\n")

    assert "lost.md" in build(small, small / "site").stderr
