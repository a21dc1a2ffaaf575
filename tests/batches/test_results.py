"""GET /v1/batches/{id}/results: what there is so far, and what is new."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from batches import segments
from batches.models import BatchJob, Segment
from batches.results import results_of
from files.models import File
from tests.batches.ending import (
    BROKEN,
    GOOD,
    LIMITED,
    commit,
    content,
    end,
    ids,
    make_ended,
    retried,
    run,
)
from tests.factories import lines, make_batch, make_client, make_running_batch
from vllm_batch.lib.clock import database_now

pytestmark = pytest.mark.django_db


def get(batch: BatchJob, after: str | None = None, **scopes: Any) -> Any:
    client = make_client(batch.project, **scopes)
    query = {} if after is None else {"after": after}
    return client.get(f"/v1/batches/{batch.pk}/results", query)


def read(batch: BatchJob, after: str | None = None) -> tuple[bytes, str]:
    """Return the bytes that come after a cursor, and the next cursor."""
    response = get(batch, after)
    assert response.status_code == 200, response.content
    data = response.getvalue()
    assert response["Content-Length"] == str(len(data))
    return data, response["x-next-cursor"]


def stored(storage: Any, *rows: Segment) -> bytes:
    return b"".join((storage / row.path).read_bytes() for row in rows)


def purge() -> None:
    segments.purge_ended(keep=timedelta(seconds=-5))
    assert not Segment.objects.exists()


@pytest.mark.parametrize("status", ["validating", "in_progress", "finalizing"])
def test_a_batch_without_results_has_an_empty_stream(status):
    data, cursor = read(make_batch(status=status))

    assert (data, cursor) == (b"", "segment_0")


def test_the_stream_is_of_json_lines():
    assert get(make_batch())["Content-Type"] == "application/jsonl"


def test_a_running_batch_shows_what_is_committed_in_that_order(storage):
    batch = make_running_batch(*lines(4))
    first = commit(batch, {3: GOOD, 0: LIMITED})
    second = commit(batch, {1: GOOD}, sequence=2)

    data, _ = read(batch)

    assert data == stored(storage, first, second)
    assert ids(data) == ["l0", "l1", "l3"]


def test_a_cursor_gives_only_what_is_new(storage):
    batch = make_running_batch(*lines(4))
    commit(batch, {0: GOOD})
    _, cursor = read(batch)
    nothing, same = read(batch, cursor)
    second = commit(batch, {1: GOOD, 2: BROKEN}, sequence=2)

    data, _ = read(batch, cursor)

    assert (nothing, same) == (b"", cursor)
    assert data == stored(storage, second)


def test_a_batch_that_has_ended_shows_its_output_and_then_its_errors():
    batch = make_ended(LIMITED, GOOD, None)

    data, cursor = read(batch)

    assert data == content(batch.output_file_id) + content(batch.error_file_id)
    assert read(batch, cursor) == (b"", cursor)


def test_who_polls_over_the_end_gets_every_line_once():
    batch = make_running_batch(*lines(5))
    commit(batch, {0: GOOD, 1: LIMITED})
    before, cursor = read(batch)
    commit(batch, {2: BROKEN, 3: GOOD}, sequence=2)
    BatchJob.objects.update(status="cancelling")
    end(batch)

    after, last = read(batch, cursor)

    assert ids(before + after) == ["l0", "l1", "l2", "l3", "l4"]
    assert read(batch, last) == (b"", last)


def test_who_polls_over_the_end_of_a_merged_batch_gets_every_line_once():
    child = end(retried(make_ended(GOOD, LIMITED, LIMITED, BROKEN), MERGE))
    commit(child, {0: GOOD})
    before, cursor = read(child)

    run(child, None, LIMITED)

    after, _ = read(child, cursor)
    assert ids(before + after) == ["l0", "l1", "l2", "l3"]


MERGE = {"merge": True, "causes": ["rate_limit"]}


def test_who_comes_after_the_segments_are_purged_gets_all_rather_than_too_little():
    batch = make_running_batch(*lines(3))
    commit(batch, {0: GOOD})
    _, cursor = read(batch)
    commit(batch, {1: GOOD, 2: LIMITED}, sequence=2)
    end(batch)
    purge()

    data, last = read(batch, cursor)

    assert data == content(batch.output_file_id) + content(batch.error_file_id)
    assert read(batch, last) == (b"", last)


def test_a_half_purged_batch_gives_all_too():
    batch = make_running_batch(*lines(3))
    commit(batch, {0: GOOD})
    _, cursor = read(batch)
    commit(batch, {1: GOOD, 2: LIMITED}, sequence=2)
    end(batch)
    segments.purge_ended(limit=1, keep=timedelta(seconds=-5))

    data, _ = read(batch, cursor)

    assert ids(data) == ["l0", "l1", "l2"]


def test_a_batch_that_failed_midway_still_shows_what_it_had():
    batch = make_running_batch(*lines(2))
    segment = commit(batch, {0: GOOD})
    BatchJob.objects.update(status="failed", failed_at=database_now())

    data, cursor = read(batch)

    assert ids(data) == ["l0"] and cursor == f"segment_{segment.pk}"


def test_a_batch_that_never_ran_ends_empty():
    batch = make_batch(status="cancelled", cancelled_at=database_now())

    assert read(batch)[0] == b""


@pytest.mark.parametrize(
    "after", ["x", "segment_", "segment_-1", "segment_1x", "segment_1\n", "end\n"]
)
def test_a_malformed_cursor_is_refused(after):
    batch = make_running_batch(*lines(1))

    response = get(batch, after)

    error = response.json()["error"]
    assert response.status_code == 400
    assert (error["param"], error["code"]) == ("after", "invalid_value")


@pytest.mark.parametrize("after", ["end", "segment_999999999"])
def test_a_cursor_that_was_never_given_is_not_found(after):
    response = get(make_running_batch(*lines(1)), after)

    assert response.status_code == 404
    assert response.json()["error"]["param"] == "after"


def test_another_batchs_cursor_is_not_found():
    other = make_running_batch(*lines(2))
    commit(other, {0: GOOD})
    batch = make_running_batch(*lines(2))
    commit(batch, {0: GOOD})

    assert get(batch, read(other)[1]).status_code == 404


@pytest.mark.parametrize("kind", ["output", "error"])
def test_results_whose_file_was_deleted_are_not_found(kind):
    batch = make_ended(GOOD, LIMITED)
    file_id = getattr(batch, f"{kind}_file_id")
    File.objects.filter(pk=file_id).update(deleted_at=database_now())

    response = get(batch)

    assert response.status_code == 404 and file_id in response.content.decode()


@pytest.mark.parametrize(("scope", "status"), [("files", 200), ("batches", 403)])
def test_results_want_the_scope_of_downloads(scope, status):
    response = get(make_batch(), scopes=[f"{scope}:read"])

    assert response.status_code == status


def test_a_stream_that_loses_a_segment_breaks_off_instead_of_ending_early(storage):
    batch = make_running_batch(*lines(2))
    first = commit(batch, {0: GOOD})
    found = results_of(batch, "")
    (storage / first.path).write_bytes(b"{}\n")

    with pytest.raises(EOFError):
        list(found.stream())


def test_many_segments_are_read_page_by_page(monkeypatch):
    monkeypatch.setattr("batches.results.SEGMENTS_AT_A_TIME", 2)
    batch = make_running_batch(*lines(5))
    for index in range(5):
        commit(batch, {index: GOOD}, sequence=index + 1)

    assert ids(read(batch)[0]) == ["l0", "l1", "l2", "l3", "l4"]


def test_a_commit_locks_its_batch_before_it_draws_its_segments_id():
    # Else a segment could be committed after one with a greater id, behind a cursor.
    batch = make_running_batch(*lines(2))

    with CaptureQueriesContext(connection) as queries:
        commit(batch, {0: GOOD})

    texts = [query["sql"] for query in queries]
    counted = first(texts, 'UPDATE "vllm_batches_batchjob"')
    assert counted < first(texts, 'INSERT INTO "vllm_batches_segment"')


def first(texts: list[str], start: str) -> int:
    return next(i for i, text in enumerate(texts) if text.startswith(start))
