"""Uploads whose forms are damaged at random: a 200 or a 4xx, and nothing left over."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from files.models import File
from tests.factories import make_client
from tests.files.uploads import BOUNDARY, END, part, send

pytestmark = pytest.mark.django_db

HEADERS = st.sampled_from(
    [
        b"Content-Type: text/plain; charset=idna",
        b"Content-Type: multipart/mixed; boundary=y",
        b"Content-Transfer-Encoding: base64",
        b"Content-Transfer-Encoding: quoted-printable",
        b"Content-Disposition: form-data; name*=nonsense''%41",
        b"Content-Length: 99999999999999999999",
        b"\x00: \xff",
        b": ",
        b" folded",
    ]
)
CONTENT_TYPES = st.sampled_from(
    [
        f"multipart/form-data; boundary={BOUNDARY}",
        f'multipart/form-data; boundary="{BOUNDARY}"; charset=utf-16',
        f"multipart/form-data; boundary*=utf-8''{BOUNDARY}",
        f"multipart/form-data; boundary*0=----; boundary*1={BOUNDARY[4:]}",
        f"multipart/form-data; boundary={BOUNDARY} ",
        "multipart/form-data; boundary=" + "x" * 300,
        "multipart/form-data",
        "multipart/form-data; boundary=\xff",
    ]
)


@st.composite
def forms(draw: st.DrawFn) -> bytes:
    """Write a form of some parts in any order, then damage it a little or not."""
    content = draw(st.binary(max_size=200))
    name = draw(st.text(st.characters(exclude_categories=["Cs"]), max_size=30))
    parts = [
        part("purpose", draw(st.sampled_from([b"batch", b"user_data", b"\xff", b""]))),
        part("file", content, name),
        part("file", content),
        part("expires_after[seconds]", draw(st.sampled_from([b"3600", b"\xd9\xa3"]))),
    ]
    chosen = draw(st.lists(st.sampled_from(parts), max_size=5))
    body = b"".join([*parts[:2], *chosen, END] if draw(st.booleans()) else chosen)
    if draw(st.booleans()):
        body = body.replace(b"\r\n\r\n", b"\r\n" + draw(HEADERS) + b"\r\n\r\n", 1)
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.integers(0, len(body)))
        end = start + draw(st.integers(0, 12))
        body = body[:start] + draw(st.binary(max_size=6)) + body[end:]
    return body


def stored(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


@given(body=forms(), content_type=CONTENT_TYPES, lie=st.sampled_from([0, 0, 0, 1, 99]))
def test_any_form_is_kept_whole_or_refused(
    storage: Path, body: bytes, content_type: str, lie: int
):
    client = make_client()
    before = set(stored(storage))

    response = send(client, body, length=len(body) + lie, content_type=content_type)

    new = set(stored(storage)) - before
    if response.status_code == 200:
        assert not lie
        check_kept(client, response.json(), new)
    else:
        assert response.status_code in (400, 411, 413, 415), response.content
        error = response.json()["error"]
        assert set(error) == {"message", "type", "param", "code"}
        assert not new


def check_kept(client: Any, kept: dict[str, Any], new: set[Path]) -> None:
    (path,) = new
    assert path.name == kept["id"] == File.objects.get(pk=kept["id"]).pk
    content = b"".join(client.get(f"/v1/files/{kept['id']}/content"))
    assert len(content) == kept["bytes"] and content == path.read_bytes()
