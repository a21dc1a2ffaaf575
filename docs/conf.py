"""The site that `make docs` builds of these pages: Sphinx, MyST, the theme Furo.

The pages are plain Markdown, so that they read as well on a Git host. Nothing is
written for Sphinx in them: the lists of links in index.md become the navigation.
"""

import os
import re
from pathlib import Path

from sphinx.application import Sphinx

ROOT = Path(__file__).resolve().parent.parent
INDEX = "docs/index"
PAGES = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")

project = "vLLM Batch"
extensions = ["myst_parser"]
root_doc = INDEX
include_patterns = [*PAGES, "docs/**.md"]
# Sphinx walks through what is not excluded, environments of Python too.
exclude_patterns = [p.name for p in ROOT.iterdir() if p.is_dir() and p.name != "docs"]
# Headings have the anchors that Git hosts give them.
myst_heading_anchors = 4
# Excerpts with "…" in them cannot be coloured; that is no fault.
suppress_warnings = ["misc.highlighting_failure"]

html_theme = "furo"
html_title = project
html_extra_path = ["_front"]
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_use_index = False
html_show_sphinx = False
html_theme_options = {
    "light_css_variables": {
        "color-brand-primary": "#1f5f8b",
        "color-brand-content": "#1f5f8b",
    },
    "dark_css_variables": {
        "color-brand-primary": "#7db8de",
        "color-brand-content": "#7db8de",
    },
}


def add_navigation(app: Sphinx, docname: str, source: list[str]) -> None:
    """Give index.md a hidden table of contents for each of its sections."""
    if docname == INDEX:
        _, *sections = re.split(r"^## ", source[0], flags=re.M)
        source[0] += "".join(map(_contents, sections))


def _contents(section: str) -> str:
    caption = section.partition("\n")[0]
    targets = re.findall(r"\[[^\]]+\]\(([^)#]+)\.md\)", section)
    entries = "".join(f"{_docname(target)}\n" for target in targets)
    return f"\n```{{toctree}}\n:hidden:\n:caption: {caption}\n\n{entries}```\n"


def _docname(target: str) -> str:
    return "/" + os.path.normpath(f"docs/{target}")


def setup(app: Sphinx) -> None:
    """Let Sphinx call what is above."""
    app.connect("source-read", add_navigation)
