"""What a handler is given."""

import json

import pytest

from batches.handlers import GiveUp, Result
from batches.handlers.results import StoredResults, _lines, metadata_of
from batches.models import BatchJob
from batches.outcomes import Outcome, Usage
from batches.tasks import attend
from files.actions import delete
from files.models import File
from tests.batches.ending import BROKEN, GOOD, make_ended
from tests.factories import make_batch

pytestmark = pytest.mark.django_db


def chat(text: str) -> Outcome:
    body = {"choices": [{"message": {"content": text}}]}
    return Outcome(200, json.dumps(body).encode(), Usage())


def test_it_holds_the_records_of_both_files():
    batch = make_ended(chat("hé"), BROKEN, None)

    found = {result.custom_id: result for result in StoredResults(batch)}

    assert found["l0"].is_success and found["l0"].text == "hé"
    assert (found["l1"].status_code, found["l1"].is_success) == (500, False)
    assert (found["l2"].status_code, found["l2"].body) == (None, None)
    assert found["l2"].error_code == "batch_cancelled" and found["l2"].error_message


def test_it_can_be_read_twice():
    results = StoredResults(make_ended(GOOD, GOOD))

    assert list(results) == list(results) and len(list(results)) == 2


def test_it_reads_no_further_than_is_asked_for():
    results = StoredResults(make_ended(GOOD, GOOD))

    assert next(iter(results)).custom_id in ("l0", "l1")


def test_a_failed_batch_has_no_results():
    batch = make_batch("oops")
    attend(batch.pk)
    batch.refresh_from_db()

    assert list(StoredResults(batch)) == []


def test_results_that_their_owner_deleted_are_given_up():
    batch = make_ended(GOOD)
    delete(File.objects.get(pk=batch.output_file_id))

    with pytest.raises(GiveUp):
        list(StoredResults(batch))


@pytest.mark.parametrize(
    ("blocks", "lines"),
    [
        ([], []),
        ([b"a\n"], [b"a"]),
        ([b"a", b"b", b"c\nd\n", b"e", b"\n"], [b"abc", b"d", b"e"]),
        ([b"a\nb"], [b"a", b"b"]),
    ],
)
def test_lines_are_cut_wherever_blocks_end(blocks, lines):
    assert list(_lines(blocks)) == lines


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"choices": [{"text": "a"}]}, "a"),
        ({"choices": [{"message": {"content": None}}]}, None),
        ({"choices": []}, None),
        ({"data": [{"embedding": [1]}]}, None),
        (
            {
                "output": [
                    {"type": "reasoning", "content": None},
                    {"content": [{"type": "output_text", "text": "r"}]},
                ]
            },
            "r",
        ),
        ({"choices": [{"text": "a\ud83d\0"}]}, "a\ufffd\ufffd"),
        ({"choices": "odd"}, None),
        (None, None),
    ],
)
def test_the_text_of_an_answer(body, text):
    assert Result("batch_req_1", "a", 200, body=body).text == text


def test_metadata_tells_the_batchs_facts():
    batch = make_ended(GOOD, BROKEN, metadata={"run": "7"})

    facts = metadata_of(batch)

    assert (facts.batch_id, facts.status) == (batch.pk, "completed")
    assert facts.models == ("stub",) and facts.metadata == {"run": "7"}
    assert (facts.counts.total, facts.counts.completed, facts.counts.failed) == (
        2,
        1,
        1,
    )
    assert facts.ended_at == batch.completed_at and facts.input_tokens == 7


def test_metadata_of_a_failed_batch_tells_why():
    batch = make_batch("oops")
    attend(batch.pk)

    facts = metadata_of(BatchJob.objects.get())

    assert facts.errors[0]["code"] == "invalid_json_line" and facts.models == ()
