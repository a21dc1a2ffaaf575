"""A merged retry: its files hold every line of its parent once."""

import pytest

from batches.models import BatchJob
from batches.purging import purge_files
from files.models import File
from tests.batches.ending import (
    BROKEN,
    GOOD,
    LIMITED,
    content,
    end,
    ids,
    make_ended,
    retried,
    run,
)
from vllm_batch.lib.clock import database_now

pytestmark = pytest.mark.django_db


def both(batch: BatchJob) -> list[str]:
    """Return the custom ids of both files together."""
    output, error = content(batch.output_file_id), content(batch.error_file_id)
    return sorted(ids(output) + ids(error))


def test_without_merge_the_files_hold_the_childs_own_lines():
    child = end(retried(make_ended(GOOD, LIMITED, BROKEN)))

    run(child, LIMITED, GOOD)

    assert both(child) == ["l1", "l2"]


def test_with_merge_the_files_hold_every_line_of_the_parent():
    parent = make_ended(GOOD, LIMITED, BROKEN, LIMITED, GOOD)
    child = end(retried(parent, {"merge": True, "causes": ["rate_limit"]}))

    run(child, GOOD, LIMITED)

    assert ids(content(child.output_file_id)) == ["l0", "l1", "l4"]
    assert ids(content(child.error_file_id)) == ["l2", "l3"]


def test_merged_records_are_the_parents_own_bytes():
    parent = make_ended(GOOD, LIMITED, BROKEN)
    child = end(retried(parent, {"merge": True, "causes": ["rate_limit"]}))

    run(child, GOOD)

    output, error = content(child.output_file_id), content(child.error_file_id)
    assert output.startswith(content(parent.output_file_id))
    assert error and error in content(parent.error_file_id)


def test_merging_counts_the_childs_own_lines_only():
    child = end(retried(make_ended(GOOD, LIMITED), {"merge": True}))

    run(child, GOOD)

    assert (child.total, child.completed, child.failed) == (1, 1, 0)
    assert child.error_file_id is None


def test_a_merged_batch_that_is_cancelled_holds_every_line_too():
    parent = make_ended(GOOD, LIMITED, LIMITED)
    child = end(retried(parent, {"merge": True}))

    run(child, GOOD, None)

    assert child.status == "cancelled"
    assert both(child) == ["l0", "l1", "l2"]


def test_a_merged_batch_can_be_retried_and_merged_again():
    parent = make_ended(GOOD, LIMITED, BROKEN, LIMITED)
    child = end(retried(parent, {"merge": True, "causes": ["rate_limit"]}))
    run(child, GOOD, LIMITED)

    grandchild = end(retried(child, {"merge": True}))
    run(grandchild, GOOD, GOOD)

    assert ids(content(grandchild.input_file_id)) == ["l2", "l3"]
    assert ids(content(grandchild.output_file_id)) == ["l0", "l1", "l2", "l3"]
    assert grandchild.error_file_id is None


def test_what_is_to_be_merged_is_kept_though_it_is_deleted():
    parent = make_ended(GOOD, LIMITED, BROKEN)
    child = end(retried(parent, {"merge": True, "causes": ["rate_limit"]}))
    File.objects.exclude(pk=child.input_file_id).update(deleted_at=database_now())

    purge_files()
    run(child, GOOD)

    assert both(child) == ["l0", "l1", "l2"]
    assert purge_files() == 2  # the merged files; the input went before


def test_a_merge_without_its_parent_fails_the_batch():
    child = end(retried(make_ended(GOOD, LIMITED), {"merge": True}))
    BatchJob.objects.filter(pk=child.pk).update(parent=None)
    child.refresh_from_db()

    run(child, GOOD)

    assert child.status == "failed"
