"""What pages quote of the product's words is what the product says."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.docs.test_docs import DOCS, OUR_PACKAGES, text
from tests.rig.process import ROOT

TROUBLES = DOCS / "how-to" / "troubleshoot.md"
# What Django, PostgreSQL, Python and browsers say.
OTHERS = {
    "no such table",
    "relation … does not exist",
    "No module named 'vllm'",
    "CSRF verification failed",
}
GAP = "…"


def sentences() -> Iterator[str]:
    """Yield all texts in the product's code, with a gap for what is filled in."""
    folders = (*OUR_PACKAGES, "demo")
    paths = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    for path in paths:
        for node in ast.walk(ast.parse(text(path))):
            if isinstance(node, ast.JoinedStr):
                yield "".join(map(part_of, node.values))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value.replace("%s", GAP)
    yield text(next((ROOT / "docker/nginx/templates").iterdir()))


def part_of(node: ast.expr) -> str:
    return str(node.value) if isinstance(node, ast.Constant) else GAP


@pytest.fixture(scope="module")
def said() -> str:
    return "\n".join(sentences())


def quoted_sentences(page: Path) -> list[str]:
    """Return the quotes of a page that are sentences, not names or commands."""
    quotes = re.findall(r"`([^`]+)`", re.sub(r"\s*\n\s*", " ", text(page)))
    return [
        quote
        for quote in quotes
        if quote.count(" ") > 1 and not quote.startswith(("make ", "manage.py "))
    ]


def is_said(quote: str, said: str) -> bool:
    """Tell whether a quote is in a sentence; each gap stands for anything."""
    parts = [re.escape(part.strip(" ")) for part in quote.split(GAP)]
    return bool(re.search(" ?[^\n]* ?".join(parts), said))


@pytest.mark.parametrize("quote", quoted_sentences(TROUBLES))
def test_troubleshooting_quotes_what_is_said(quote: str, said: str):
    assert quote in OTHERS or is_said(quote, said)


def waiting_codes() -> list[str]:
    """Return the codes that the page's section on waiting batches begins with."""
    _, _, rest = text(TROUBLES).partition("## A batch does not move")
    section = rest.partition("\n## ")[0]
    heads = re.findall(r"^- (`[^,:]+(?:, `\w+`)*)", section, flags=re.M)
    return re.findall(r"`(\w+)`", " ".join(heads))


@pytest.mark.parametrize("code", waiting_codes())
def test_the_codes_of_waiting_are_the_products(code: str):
    assert f'"{code}"' in text(ROOT / "batches" / "waiting.py")


COMPOSE = r"compose (?:-f \S+ )?(?:exec|logs|cp)(?: -\w+)* (\w[\w-]*)"


@pytest.mark.parametrize("page", ["tutorial/docker-quick-start.md", "how-to/deploy.md"])
def test_the_services_in_commands_are_composes(page: str):
    services = yaml.safe_load(text(ROOT / "docker" / "compose.yaml"))["services"]
    named = set(re.findall(COMPOSE, text(DOCS / page)))

    assert "server" in named
    assert named - {"models"} <= set(services)
