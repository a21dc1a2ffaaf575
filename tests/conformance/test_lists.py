"""Cases P-L: lists (contract 4)."""

from typing import Any

import pytest

from tests.conformance.client import Api, envelope, jsonl, line

pytestmark = pytest.mark.conformance
PAGE_KEYS = {"object", "data", "first_id", "last_id", "has_more"}


def page(api: Api, path: str) -> Any:
    response = api.raw("GET", path)
    assert response.status_code == 200, response.text
    return response.json()


def uploads(api: Api, count: int, purpose: str = "batch") -> list[str]:
    """Upload files and return their ids, oldest first."""
    return [api.up(jsonl(line("a")), purpose=purpose).id for _ in range(count)]


def ids(api: Api, path: str) -> list[str]:
    return [item["id"] for item in page(api, path)["data"]]


def test_p_l01_an_empty_list_has_all_keys(api: Api):
    for path in ("/files", "/batches"):
        empty = page(api, path)
        assert set(empty) == PAGE_KEYS and empty["object"] == "list"
        assert empty["data"] == [] and empty["has_more"] is False
        assert empty["first_id"] is None and empty["last_id"] is None


def test_p_l02_files_are_newest_first(api: Api):
    a, b, c = uploads(api, 3)
    listed = page(api, "/files")
    assert [item["id"] for item in listed["data"]] == [c, b, a]
    assert (listed["first_id"], listed["last_id"]) == (c, a)


def test_p_l03_order_asc_turns_it_round(api: Api):
    assert uploads(api, 3) == ids(api, "/files?order=asc")


def test_p_l04_pages_neither_lose_nor_repeat(api: Api):
    made = uploads(api, 5)
    seen, sizes, after, more = [], [], "", True
    while more:
        part = page(api, f"/files?limit=2{after}")
        seen += [item["id"] for item in part["data"]]
        sizes.append(len(part["data"]))
        after, more = f"&after={part['last_id']}", part["has_more"]

    assert sizes == [2, 2, 1]
    assert seen == made[::-1]


def test_p_l05_the_sdk_pages_to_the_end(api: Api):
    made = uploads(api, 7)
    assert [file.id for file in api.client.files.list(limit=3)] == made[::-1]


def test_p_l06_purpose_filters(api: Api):
    uploads(api, 1)
    (wanted,) = uploads(api, 1, "user_data")
    assert ids(api, "/files?purpose=user_data") == [wanted]
    assert ids(api, "/files?purpose=nonsense") == []


def test_p_l07_limit_one_gives_the_newest_batch(api: Api):
    file_id = api.up(jsonl(line("a"))).id
    made = [api.mk(file_id).id for _ in range(3)]
    first = page(api, "/batches?limit=1")
    assert [item["id"] for item in first["data"]] == made[-1:]
    assert first["has_more"] is True


def test_p_l08_limit_101_is_refused(api: Api):
    envelope(
        api.raw("GET", "/batches?limit=101"),
        400,
        param="limit",
        code="integer_above_max_value",
        text="Expected a value <= 100, but got 101 instead",
    )


def test_p_l09_the_default_page_has_twenty_batches(api: Api):
    file_id = api.up(jsonl(line("a"))).id
    made = {api.mk(file_id).id for _ in range(25)}

    assert len(page(api, "/batches")["data"]) == 20
    assert {batch.id for batch in api.client.batches.list()} == made


def test_p_l10_after_the_last_item_comes_nothing(api: Api):
    first, _ = uploads(api, 2)
    last = page(api, f"/files?after={first}")
    assert last["data"] == [] and last["has_more"] is False


def test_p_l11_an_exact_page_promises_no_more(api: Api):
    uploads(api, 3, "evals")
    exact = page(api, "/files?purpose=evals&limit=3")
    assert len(exact["data"]) == 3 and exact["has_more"] is False


def test_p_l12_ascending_pages_go_on_after_a_cursor(api: Api):
    made = uploads(api, 5)
    part = page(api, f"/files?order=asc&limit=2&after={made[1]}")
    assert [item["id"] for item in part["data"]] == made[2:4]
    assert part["has_more"] is True


def test_a_deleted_file_is_still_a_cursor(api: Api):
    uploads(api, 5)
    for file in api.client.files.list(limit=2):
        api.client.files.delete(file.id)
    assert ids(api, "/files") == []


@pytest.mark.parametrize("path", ["/files", "/batches"])
@pytest.mark.parametrize(
    "query", ["limit=-1", "limit=x", "limit=1e3", "limit=99999999"]
)
def test_a_bad_limit_is_refused(api: Api, path: str, query: str):
    envelope(api.raw("GET", f"{path}?{query}"), 400, param="limit")


def test_a_limit_of_zero_is_an_empty_page_of_batches(api: Api):
    api.mk(api.up(jsonl(line("a"))).id)
    empty = page(api, "/batches?limit=0")
    assert empty["data"] == [] and empty["has_more"] is False
    envelope(api.raw("GET", "/files?limit=0"), 400, param="limit")


def test_an_unknown_cursor_is_404(api: Api, stranger: Api):
    (foreign,) = uploads(stranger, 1)
    for cursor in ("file-unknown", foreign, "%00"):
        envelope(api.raw("GET", f"/files?after={cursor}"), 404, param="after")


def test_a_bad_order_is_refused(api: Api):
    envelope(api.raw("GET", "/files?order=up"), 400, param="order")
