"""The documentation says what the code does: names, defaults, routes, links."""

import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import find_commands, load_command_class
from django.core.management.base import BaseCommand
from django.urls import URLPattern
from django.utils.module_loading import import_string

from batches.models import Cause
from tests.rig.process import ROOT
from vllm_batch import api_urls, app_settings
from vllm_batch.environment import BASE_DIR, Environment

DOCS = ROOT / "docs"
REFERENCE = DOCS / "reference"
FIRST = [
    ROOT / f"{name}.md" for name in ("README", "CHANGELOG", "CONTRIBUTING", "SECURITY")
]
PAGES = [*FIRST, *sorted(DOCS.rglob("*.md"))]
OUR_APPS = ("accounts", "files", "batches", "workers", "curation", "monitoring")
OUR_PACKAGES = ("vllm_batch", *OUR_APPS)
# Folders that are made by runs and are not part of the repository.
GENERATED = ("var", ".venv")
SUFFIXES = {".py", ".md", ".toml", ".txt", ".sh", ".jsonl", ".json", ".html"}
WIDTH, LENGTH = 100, 150
DJANGO_SETTINGS = [n for n in dir(app_settings) if n.isupper() and n[0] != "_"]


def text(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


each_page = pytest.mark.parametrize("page", PAGES, ids=name_of)


def without_code(page: Path) -> str:
    return re.sub(r"^```.*?^```", "", text(page), flags=re.M | re.S)


def headings(page: Path) -> list[str]:
    return re.findall(r"^#+ (.+)$", without_code(page), flags=re.M)


def anchor(heading: str) -> str:
    """Return a heading's anchor, as Markdown hosts make it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def table_rows(page: Path) -> dict[str, list[str]]:
    """Return the rows of all tables whose first cell is code, by that cell."""
    rows = re.findall(r"^\| `([^`]+)` \|(.+)\|$", text(page), flags=re.M)
    return {first: [cell.strip() for cell in rest.split("|")] for first, rest in rows}


def shown(default: object) -> str:
    """Return a default as the pages write it: what the environment would hold."""
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    if isinstance(default, Path):
        return f"`{default.relative_to(BASE_DIR)}`"
    if isinstance(default, list):
        default = ",".join(map(str, default))
    return f"`{default}`" if default != "" else "empty"


def settings_rows() -> dict[str, list[str]]:
    """Return the rows of all pages of settings."""
    tables = [table_rows(page) for page in sorted(REFERENCE.glob("settings*.md"))]
    rows = {name: row for table in tables for name, row in table.items()}
    assert len(rows) == sum(map(len, tables))
    return rows


@pytest.mark.parametrize("name", Environment.model_fields)
def test_each_setting_and_its_default_are_documented(name: str):
    rows = settings_rows()
    assert name in rows
    assert rows[name][0] == shown(Environment.model_fields[name].default)


def read_elsewhere() -> set[str]:
    """Return the variables that gunicorn, the demo and the Makefile read."""
    sources = [ROOT / "vllm_batch" / "gunicorn.py", *(ROOT / "demo").iterdir()]
    code = "".join(text(path) for path in sources if path.suffix in (".py", ".sh"))
    names = set(re.findall(r'environ(?:\.get\(|\[)"(\w+)"', code))
    names |= set(re.findall(r"\$\{(\w+):-", code))
    return names | set(re.findall(r"^(\w+) \?=", text(ROOT / "Makefile"), re.M))


def test_no_other_variable_is_read_or_documented():
    rows = set(settings_rows())
    assert rows == set(Environment.model_fields) | read_elsewhere()


@pytest.mark.parametrize("name", DJANGO_SETTINGS)
def test_each_django_setting_is_documented(name: str):
    assert f"\n- `{name}`" in text(REFERENCE / "settings-django.md")


@pytest.mark.parametrize("name", settings.ENGINES)
def test_each_engine_has_a_section(name: str):
    page = REFERENCE / "engines.md"
    assert f"`{name}`" in headings(page)
    assert f"`{settings.ENGINES[name]}`" in text(page)


def our_commands() -> Iterator[tuple[str, str]]:
    for app in OUR_APPS:
        for name in find_commands(str(ROOT / app / "management")):
            yield app, name


def own_options(app: str, name: str) -> list[str]:
    """Return a command's options and arguments, without those of every command."""
    command = load_command_class(app, name)
    parser = command.create_parser("manage.py", name)
    every = BaseCommand().create_parser("manage.py", name)
    known = {action.dest for action in every._actions}
    actions = [action for action in parser._actions if action.dest not in known]
    return [(*action.option_strings, action.dest)[0] for action in actions]


@pytest.mark.parametrize(("app", "name"), list(our_commands()))
def test_each_command_has_a_section_with_its_options(app: str, name: str):
    pages = "\n".join(map(text, sorted(REFERENCE.glob("commands*.md"))))
    sections = re.split(r"^## ", pages, flags=re.M)
    (section,) = [part for part in sections if part.startswith(f"`{name}`")]
    for option in own_options(app, name):
        assert f"`{option}`" in section


def routes() -> Iterator[str]:
    """Return each operation of the API as api.md heads it."""
    for pattern in api_urls.urlpatterns:
        assert isinstance(pattern, URLPattern)
        if pattern.name == "unknown_route":
            continue
        path = re.sub(r"<\w+:(\w+)>", r"{\1}", str(pattern.pattern))
        # DRF adds "head" at the first request, as what "get" brings with it.
        for method in pattern.callback.actions.keys() - {"head"}:  # type: ignore[attr-defined]
            yield f"{method.upper()} {settings.API_PATH}/{path}"


def test_the_routes_and_no_others_are_documented():
    pages = "".join(text(REFERENCE / name) for name in ("api.md", "webhooks.md"))
    headed = re.findall(r"^### `(.+)`$", pages, flags=re.M)
    assert sorted(headed) == sorted(routes())


def error_codes() -> set[str]:
    """Return the codes of the API's errors and of a batch file's faults."""
    code = "".join(
        text(path)
        for package in OUR_PACKAGES
        for path in (ROOT / package).rglob("*.py")
        if path.name != "stub.py"
    )
    found = re.findall(r'\bcode="(\w+)"', code)
    found += re.findall(r'\bFault\(\s*"(\w+)"', code)
    found += re.findall(r'"((?:integer|string|property_name)_\w+_\w+_value)"', code)
    found += re.findall(r'"((?:string|property_name)_above_max_length)"', code)
    return set(found)


def test_the_error_codes_and_no_others_are_documented():
    page = REFERENCE / "errors.md"
    faults, codes = error_codes(), set(table_rows(page))
    assert faults <= codes
    unexecuted = {"batch_cancelled", "batch_expired"}
    assert codes - faults == unexecuted | set(Cause.values) - {"invalid_request"}


def links(page: Path) -> list[str]:
    targets = re.findall(r"\[[^\]]+\]\(([^)\s]+)\)", without_code(page))
    return [target for target in targets if "://" not in target]


@each_page
def test_relative_links_lead_somewhere(page: Path):
    for target in links(page):
        path, _, fragment = target.partition("#")
        aim = (page.parent / path).resolve() if path else page
        assert aim.exists(), target
        if fragment:
            assert fragment in map(anchor, headings(aim)), target


def test_every_page_is_in_the_index():
    index = DOCS / "index.md"
    reached = {(DOCS / target).resolve() for target in links(index)}
    assert set(PAGES) - {index} == reached


def quoted(page: Path) -> list[str]:
    return re.findall(r"`([^`\n]+)`", without_code(page))


def is_repository_path(words: str) -> bool:
    if not re.fullmatch(r"[\w.-]+(/[\w.-]+)*/?", words) or "/" not in words:
        return False
    first = words.split("/")[0]
    if first in GENERATED:
        return False
    return (ROOT / first).is_dir() or Path(words).suffix in SUFFIXES


# Folders inside the storage are named like an app, but lie elsewhere.
STORED = {"files/", "segments/"}


@each_page
def test_quoted_paths_exist(page: Path):
    paths = [words for words in quoted(page) if is_repository_path(words)]
    missing = [path for path in paths if not (ROOT / path).exists()]
    assert set(missing) <= STORED


def is_dotted_path(words: str) -> bool:
    return bool(re.fullmatch(rf"(?:{'|'.join(OUR_PACKAGES)})(?:\.\w+)+", words))


def resolve(dotted: str) -> object:
    try:
        return importlib.import_module(dotted)
    except ModuleNotFoundError:
        return import_string(dotted)


@each_page
def test_quoted_dotted_paths_exist(page: Path):
    for words in filter(is_dotted_path, quoted(page)):
        assert resolve(words)


@each_page
def test_a_page_is_short_and_narrow(page: Path):
    lines = text(page).splitlines()
    # A changelog grows with each release.
    assert len(lines) <= LENGTH or page.name == "CHANGELOG.md"
    assert [line for line in lines if len(line) > WIDTH] == []


def python_blocks(page: Path) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", text(page), flags=re.M | re.S)


@each_page
def test_python_blocks_compile(page: Path):
    for block in python_blocks(page):
        if not block.startswith('"OPTIONS"'):
            compile(block, name_of(page), "exec")


def test_the_readme_client_has_ten_lines():
    (block,) = python_blocks(ROOT / "README.md")
    assert len(block.splitlines()) == 10


def test_the_readme_names_the_demo_models():
    from demo.settings import GPU_MODEL, choose_model

    readme = text(ROOT / "README.md")
    assert f"`{GPU_MODEL}`" in readme
    assert choose_model("gemma", ROOT, has_gpu=False).name in readme
    assert choose_model(GPU_MODEL, ROOT, has_gpu=True).name in readme
