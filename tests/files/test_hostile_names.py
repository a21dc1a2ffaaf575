"""Hostile file names (T26): data, never a path and never a header."""

import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from files.models import File
from tests.factories import make_client
from tests.files.uploads import form, send

pytestmark = pytest.mark.django_db

PARTS = [
    "../../../etc/passwd", "..\\..\\boot.ini", "/etc/passwd", "C:\\windows\\x", "~/x",
    "%2e%2e%2f", "..%c0%af", ".", "..", "...", "/", "\\", "//host/share", "file:///x",
    "nul", "CON", "a\0b", "a\x01\x1b[31m", "a\tb", "a\x7f", "a b", " a ", "a;b", 'a"b',
    "a'b", "a=b", "a,b", "a\\\"b", "$(id)", "`id`", "|id", "&lt;", "&#47;", "&sol;..",
    "<script>alert(1)</script>", "=1+1", "-rf", "\u202egpj.exe", "\u2066a\u2069",
    "\u200b", "\ufeffa", "\u00e9", "e\u0301", "\u212b", "\uff0e\uff0e\uff0f", "\u2215",
    "\u2024\u2024", "\U0001f600", "\U000e0041", "\u0130", "\u1e9e",
    "ａ", "日本", "عربي",
]  # fmt: skip
NAMES = [
    *[f"{part}.jsonl" for part in PARTS],
    *[f"{part}/in.jsonl" for part in PARTS],
    *[f"in{part}" for part in PARTS],
    *[f"{part}{part}.JSONL" for part in PARTS],
    "a" * 300 + ".jsonl",
    "ü" * 300 + ".jsonl",
    "a" * 10_000,
    "." * 255,
    "\U0001f600" * 200 + ".jsonl",
    "x." + "j" * 300,
]
CONTROL = re.compile(r"[\x00-\x1f\x7f\u202a-\u202e\u2066-\u2069]")


def hostile_form(name: str) -> bytes:
    # In a quoted string of a form, a quote and a backslash are escaped.
    return form(
        purpose="user_data", filename=name.replace("\\", "\\\\").replace('"', '\\"')
    )


def announced_name(header: str) -> str:
    """Return the name in a Content-Disposition, as a client reads it."""
    if extended := re.fullmatch(r"attachment; filename\*=utf-8''([!-~]+)", header):
        return unquote(extended[1], errors="strict")
    quoted = re.fullmatch(r'attachment; filename="((?:[^"\\]|\\.)*)"', header)
    assert quoted is not None, header
    return re.sub(r"\\(.)", r"\1", quoted[1])


def test_there_are_two_hundred():
    assert len(set(NAMES)) >= 200


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_a_hostile_name_is_only_a_name(name: str, storage: Path):
    client = make_client()

    response = send(client, hostile_form(name))

    assert response.status_code in (200, 400), response.content
    outside = [
        path for path in storage.parent.rglob("*") if storage not in path.parents
    ]
    assert outside in ([], [storage])
    if response.status_code == 200:
        check_kept(client, response.json())


def check_kept(client: Any, kept: dict[str, Any]) -> None:
    name = kept["filename"]
    assert name and len(name) <= 255 and not CONTROL.search(name)
    assert "/" not in name and "\\" not in name
    assert re.fullmatch(r"files/\w\w/file-\w+", File.objects.get().path)

    download = client.get(f"/v1/files/{kept['id']}/content")

    header = download["Content-Disposition"]
    assert header.isascii() and header.startswith("attachment")
    assert announced_name(header) == name
    assert b"".join(download) == b"{}\n"


@pytest.mark.parametrize("name", ["e\u0301.jsonl", "\u00e9.jsonl"])
def test_the_form_of_a_letter_is_the_clients(name):
    kept = send(make_client(), hostile_form(name)).json()["filename"]

    assert kept == name


@pytest.mark.parametrize(
    "header",
    [
        b'filename="a\r\nX-Evil: 1\r\n\r\n.jsonl"',
        b'filename="\xff\xfe.jsonl"',
        b"filename*=utf-8''%00%0d%0aX-Evil%3a1.jsonl",
        b"filename*=utf-16''%fe%ff.jsonl",
        b"filename*=nonsense''x.jsonl",
        b'filename="a.jsonl"; filename="b.jsonl"',
        b"filename=" + b"a" * 70_000,
    ],
)
def test_a_hostile_part_header_is_no_500(header: bytes):
    body = form().replace(b'filename="in.jsonl"', header)

    response = send(make_client(), body)

    assert response.status_code in (200, 400), response.content
    if response.status_code == 200:
        assert not CONTROL.search(response.json()["filename"])
