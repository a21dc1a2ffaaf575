"""A batch line by line: pages, statuses, searches; while it runs and after its end."""

import json
import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from batches.models import BatchJob, Segment
from batches.outcomes import judge
from batches.segments import purge_ended
from files import actions
from files.models import File
from monitoring.console.lines import browsing
from monitoring.console.lines.browsing import Query, look
from tests.batches.ending import GOOD, LIMITED, commit, end, make_ended, run
from tests.console.people import cast, page_of, read
from tests.factories import line, lines, make_batch, make_model, make_running_batch
from tests.workers.runs import run as run_engine
from workers.engines.stub import StubEngine

pytestmark = pytest.mark.django_db
EVIL = '<script>alert("x")</script><img src=x onerror=alert(1)>'


def says(text):
    body = {"choices": [{"message": {"role": "assistant", "content": text}}]}
    return judge(200, json.dumps(body).encode())


def shown(batch, **query):
    return [entry.line.number for entry in look(batch, Query(**query)).entries]


def numbers_in(page):
    return [int(number) for number in re.findall(r'id="line-(\d+)"', page)]


def test_prompt_and_answer_stand_side_by_side_while_the_batch_runs():
    project, lead, _ = cast()
    batch = make_running_batch(*lines(3, "why is the sky blue?"), project=project)
    commit(batch, {1: says("because of Rayleigh")})

    page = read(lead, page_of(batch))

    assert page.count("why is the sky blue?") == 3
    assert page.count("because of Rayleigh") == 1 and page.count("no result<") >= 2


@pytest.mark.parametrize("are_segments_purged", [False, True])
def test_they_do_so_after_its_end(are_segments_purged):
    project, lead, _ = cast()
    batch = run(
        make_running_batch(*lines(3), project=project),
        says("one"),
        LIMITED,
        says("three"),
    )
    if are_segments_purged:
        BatchJob.objects.update(completed_at="2020-01-01T00:00Z")
        purge_ended()
        assert not Segment.objects.exists()

    page = look(batch, Query())

    answers = [entry.line.answer for entry in page.entries]
    assert answers[0] == "one" and answers[2] == "three" and "429" in answers[1]
    assert [entry.line.status for entry in page.entries] == [
        "completed",
        "failed",
        "completed",
    ]


def test_each_status_is_found(configure):
    configure(BATCH_CHUNK_LINES=4)
    batch = make_running_batch(*lines(4))
    commit(batch, {0: GOOD, 2: LIMITED})

    assert shown(batch, status="completed") == [1]
    assert shown(batch, status="failed") == [3]
    assert shown(batch, status="open") == [2, 4]
    assert shown(batch) == [1, 2, 3, 4]


def test_lines_that_never_ran_are_open_after_the_end():
    batch = make_ended(GOOD, None, GOOD)

    assert shown(batch, status="open") == [2]
    assert look(batch, Query(status="open")).entries[0].line.answer == ""


def test_pages_go_on_from_a_line(configure):
    configure(BATCH_CHUNK_LINES=10)
    batch = make_running_batch(*lines(60))

    first = look(batch, Query())
    second = look(batch, Query(after=first.last))
    third = look(batch, Query(after=second.last))

    found = [e.line.number for page in (first, second, third) for e in page.entries]
    assert found == list(range(1, 61)) and third.is_end and not second.is_end


def test_blank_lines_keep_their_numbers():
    batch = make_running_batch(line("a"), "", " ", line("b"))

    assert shown(batch) == [1, 4]


@pytest.mark.django_db(transaction=True)
def test_lines_of_several_models_are_shown_once(configure):
    configure(BATCH_ALLOW_MIXED_MODELS=True)
    make_model("other")
    mixed = [line(f"l{n}", model=("stub", "other")[n % 2]) for n in range(6)]
    batch = make_running_batch(*mixed)
    run_engine(StubEngine(model="stub", source="", engine_args={}))

    assert shown(batch) == [1, 2, 3, 4, 5, 6]
    assert shown(batch, status="completed") == [1, 3, 5]


def test_a_batch_that_is_not_valid_can_be_read_too():
    project, lead, _ = cast()
    batch = make_batch("{nonsense", line("a"), project=project, status="failed")

    assert "{nonsense" in read(lead, page_of(batch))


@pytest.mark.parametrize("text", ["needle", "NEEDLE", "l7"])
def test_a_search_finds_custom_ids_prompts_and_answers(text, configure):
    configure(BATCH_CHUNK_LINES=100)
    requests = lines(20)
    requests[3] = line("l3", "a needle in a prompt")
    batch = make_running_batch(*requests)
    commit(batch, {7: says("a needle in an answer")})

    assert shown(batch, text=text) == ([8] if text == "l7" else [4, 8])


def test_a_search_says_where_it_stopped_and_goes_on(configure, monkeypatch):
    configure(BATCH_CHUNK_LINES=50)
    monkeypatch.setattr(browsing, "SECONDS", 0)
    batch = make_running_batch(*lines(120), line("needle"))

    after, asked = 0, 0
    while not (page := look(batch, Query(after=after, text="needle"))).entries:
        assert page.is_short and page.last > after
        after, asked = page.last, asked + 1

    assert page.entries[0].line.number == 121 and asked > 1


def test_the_page_goes_on_by_itself(monkeypatch):
    project, lead, _ = cast()
    monkeypatch.setattr(browsing, "SECONDS", 0)
    batch = make_running_batch(*lines(30), project=project)

    page = read(lead, page_of(batch, "lines?q=nothing"))

    assert 'hx-trigger="load' in page and "looked at lines up to 1 of about 30" in page
    more = read(lead, page_of(batch, "lines?q=nothing&more=1&after=30"))
    assert "last line" in more


def test_hits_are_marked():
    project, lead, _ = cast()
    batch = make_running_batch(line("a", "hay needle hay"), project=project)

    assert "<mark>needle</mark>" in read(lead, page_of(batch, "lines?q=needle"))


def test_a_long_text_is_cut_around_its_hit():
    project, lead, _ = cast()
    long = "hay " * 5000 + "needle" + " hay" * 5000
    batch = make_running_batch(line("a", long), project=project)

    page = read(lead, page_of(batch, "lines?q=needle"))

    assert "<mark>needle</mark>" in page and len(page) < 10_000
    assert "letters in all" in page
    assert long in read(lead, page_of(batch, "lines/1/"))


def test_raw_json_comes_as_a_part():
    project, lead, _ = cast()
    batch = make_ended(GOOD, project=project)

    part = read(lead, page_of(batch, "lines/1/"), headers={"HX-Request": "true"})

    assert "<html" not in part and "&quot;custom_id&quot;: &quot;l0&quot;" in part
    assert "&quot;status_code&quot;: 200" in part


@pytest.mark.parametrize("path", ["", "lines", "lines/1/"])
def test_whatever_lines_hold_is_text(path):
    project, lead, _ = cast()
    batch = make_running_batch(line(EVIL, EVIL), project=project)
    run(batch, says(EVIL))

    page = read(lead, page_of(batch, path))

    assert EVIL not in page and "<img" not in page and "&lt;script&gt;" in page


@pytest.mark.parametrize(
    "answer",
    [
        b'{"choices": [{"message": {"content": "\\ud800 \\u0000"}}]}',
        b'{"choices": "x", "n": ' + b"9" * 5000 + b"}",
        b'{"a":' + b"[" * 900 + b"]" * 900 + b"}",
        b'{"choices": [{"message": null}]}',
        b"{}",
    ],
)
def test_an_odd_answer_is_shown_somehow(answer):
    project, lead, _ = cast()
    batch = run(make_running_batch(line("a"), project=project), judge(200, answer))

    read(lead, page_of(batch))
    read(lead, page_of(batch, "lines/1/"))
    read(lead, page_of(batch, "lines?q=x"))


@pytest.mark.parametrize(
    "query",
    [
        "after=-1",
        "after=x",
        "after=99999999999999",
        "status=x",
        "q=%00",
        "q=(%5B",
        "after=999",
    ],
)
def test_a_senseless_query_breaks_nothing(query):
    project, lead, _ = cast()
    batch = make_running_batch(project=project)

    read(lead, page_of(batch, f"lines?{query}"))


@pytest.mark.parametrize("number", [0, 2, 10**12])
def test_there_is_no_such_line(number):
    project, lead, _ = cast()
    batch = make_running_batch(project=project)

    assert lead.get(page_of(batch, f"lines/{number}/")).status_code == 404


def test_a_deleted_input_is_gone_for_the_console_too():
    project, lead, _ = cast()
    batch = make_ended(GOOD, project=project)
    actions.delete(File.objects.get(pk=batch.input_file_id))

    page = read(lead, page_of(batch))

    assert "input file is gone" in page and numbers_in(page) == []


def test_deleted_answers_are_gone_too():
    project, lead, _ = cast()
    batch = make_ended(GOOD, project=project)
    actions.delete(File.objects.get(pk=batch.output_file_id))

    assert "record is gone" in read(lead, page_of(batch))


def test_a_page_asks_as_often_at_the_end_of_a_large_batch(configure):
    configure(BATCH_CHUNK_LINES=100)
    batch = make_running_batch(*lines(2000))
    assert batch.project.name
    counts = []
    for after in (0, 1950):
        with CaptureQueriesContext(connection) as queries:
            assert len(look(batch, Query(after=after)).entries) == 25
        counts.append(len(queries))

    assert counts[0] == counts[1] <= 10


@pytest.mark.django_db(transaction=True)
def test_a_page_of_a_large_ended_batch_reads_only_its_own_slice(configure):
    configure(BATCH_CHUNK_LINES=100)
    batch = make_running_batch(*lines(300))
    run_engine(StubEngine(model="stub", source="", engine_args={}))
    end(batch)
    batch.refresh_from_db()
    assert batch.status == "completed"

    assert shown(batch, after=260)[:2] == [261, 262]
    assert look(batch, Query(after=260)).entries[0].line.answer == "hi"
