"""Lines that are too long by the tokenizer's count fail before they run."""

import pytest

from tests.factories import EMBEDDINGS
from tests.marks import TRANSFORMERS
from tests.workers.served.tokenizing.chats import (
    COMPLETIONS,
    attended,
    of_chat,
    tiny,
    user,
)

pytestmark = [pytest.mark.django_db, *TRANSFORMERS]


def test_over_long_lines_fail_before_they_run(configure, reference):
    configure(BATCH_PREFLIGHT="lengths")
    content = "x " * 150
    prompt = of_chat(reference, user(content))
    items = [tiny("a"), tiny("b", content, max_tokens=100), tiny("c", "x " * 300)]

    batch = attended(*items)

    assert batch.status == "failed" and batch.errors is not None
    first, second = batch.errors["data"]
    assert first["code"] == second["code"] == "context_length_exceeded"
    assert (first["line"], second["line"]) == (2, 3)
    assert first["param"] == "body.messages" and not batch.chunks.exists()
    assert f"you requested {prompt + 100} tokens ({prompt} in the" in first["message"]


@pytest.mark.parametrize(("room", "status"), [(0, "in_progress"), (1, "failed")])
def test_a_line_that_just_fits_runs(configure, reference, room, status):
    configure(BATCH_PREFLIGHT="lengths")
    prompt = of_chat(reference, user("def main():"))

    batch = attended(tiny(max_tokens=200 - prompt + room))

    assert batch.status == status


@pytest.mark.parametrize(
    ("url", "body", "param"),
    [
        (COMPLETIONS, {"prompt": "x " * 300}, "body.prompt"),
        (EMBEDDINGS, {"input": ["a", "x " * 300]}, "body.input"),
    ],
)
def test_the_fault_names_the_prompts_key(configure, url, body, param):
    configure(BATCH_PREFLIGHT="lengths")

    batch = attended(tiny(url=url, **body), endpoint=url)

    assert batch.errors is not None and batch.errors["data"][0]["param"] == param


def test_a_huge_line_is_certainly_too_long_without_being_read_whole(configure):
    configure(BATCH_PREFLIGHT="lengths")

    batch = attended(tiny("a", "x " * 2_000_000))

    assert batch.errors is not None
    assert batch.errors["data"][0]["code"] == "context_length_exceeded"


def test_the_faults_of_lengths_have_the_limit_of_all(configure):
    configure(BATCH_PREFLIGHT="lengths", BATCH_MAX_ERRORS=100)

    batch = attended(*[tiny(f"l{n}", "x " * 300) for n in range(120)])

    assert batch.errors is not None and len(batch.errors["data"]) == 100


def test_a_line_the_template_refuses_may_run_and_fail_alone(configure):
    configure(BATCH_PREFLIGHT="lengths")

    assert attended(tiny(messages=[5])).status == "in_progress"


def test_what_was_counted_goes_into_the_quota(configure, reference):
    configure(BATCH_PREFLIGHT="lengths")

    batch = attended(tiny(max_tokens=9))

    expected = of_chat(reference, user("def main():")) + 9
    assert batch.enqueued_tokens == expected
