"""The console in Chromium: a batch from file to answers; hostile lines run nothing."""

import json
import threading

import pytest
from playwright.sync_api import expect

from batches.models import BatchJob
from batches.outcomes import failure, judge
from tests.batches.ending import run as end_with
from tests.browser.payloads import FAR, payloads
from tests.browser.test_accessible import serious
from tests.console.people import ROOT, page_of
from tests.curation.review.desk import make_person
from tests.factories import (
    jsonl,
    line,
    lines,
    make_batch,
    make_model,
    make_project,
    make_running_batch,
)
from tests.workers.runs import end
from tests.workers.runs import run as run_engine
from workers.engines.stub import StubEngine

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True}


def jsonl_file(*items):
    return {
        "name": "in.jsonl",
        "mimeType": "application/jsonl",
        "buffer": jsonl(*items),
    }


def in_thread(work):
    # asyncio.run refuses a thread that has a loop, and Playwright's has one.
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


def the_batch(**fields):
    return BatchJob.objects.get(**fields)


@pytest.mark.parametrize("options", [{}, PHONE], ids=["desk", "phone"])
def test_a_batch_from_the_file_to_its_answers(sit_down, options):
    project = make_project()
    make_model()
    page = sit_down(make_person(project, "lead"), "/admin/", **options)

    page.get_by_role("link", name="New batch").click()
    page.set_input_files("#file", jsonl_file(*lines(30, "ECHO a fine answer")))
    page.fill("#title", "my night's work")
    page.get_by_role("button", name="Upload and check").click()
    expect(page.get_by_role("heading", name="The lines are checked")).to_be_visible()
    end(the_batch(is_dry_run=True))
    page.get_by_role("button", name="Run 30 lines").click()
    expect(page.get_by_role("heading", name="my night's work")).to_be_visible()
    batch = the_batch(is_dry_run=False)
    end(batch)
    in_thread(lambda: run_engine(StubEngine(model="stub", source="", engine_args={})))
    end(batch)

    # The page learns of it by itself.
    page.get_by_role("link", name="Show its files").click()
    expect(page.locator(".line .answer-side").first).to_have_text("a fine answer")
    expect(page.locator("#progress .mark")).to_have_text("completed")
    assert page.locator(".line").count() == 25 and page.errors == []
    page.get_by_role("link", name="More").click()
    expect(page.locator(".line")).to_have_count(30)
    width = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert width <= 0


def test_a_refused_upload_is_told_on_the_page_with_the_form_as_it_was(sit_down):
    project = make_project()
    page = sit_down(make_person(project, "lead"), f"{ROOT}new")
    page.set_input_files("#file", {**jsonl_file(line()), "name": "in.csv"})
    page.fill("#title", "kept")

    page.get_by_role("button", name="Upload and check").click()

    expect(page.locator("#sending")).to_contain_text("Must be .jsonl")
    assert page.input_value("#title") == "kept" and not BatchJob.objects.exists()


def test_a_search_goes_on_by_itself_and_raw_json_opens(sit_down):
    project = make_project()
    requests = [*lines(400), line("needle", "ECHO x")]
    batch = make_running_batch(*requests, project=project)
    page = sit_down(make_person(project), page_of(batch))

    page.keyboard.press("/")
    page.keyboard.type("needle")
    page.keyboard.press("Enter")
    expect(page.locator(".line")).to_have_count(1)
    expect(page.locator(".line mark").first).to_have_text("needle")
    page.keyboard.press("Escape")
    page.keyboard.press("j")
    page.keyboard.press("r")

    expect(page.locator(".raw pre").first).to_contain_text('"custom_id": "needle"')
    assert page.errors == []


def test_the_front_page_polls_and_rests_while_it_is_hidden(sit_down):
    project = make_project()
    batch = make_running_batch(*lines(8), project=project)
    page = sit_down(make_person(project), "/admin/")
    expect(page.locator(".row-progress")).to_contain_text("0 of 8")
    BatchJob.objects.filter(pk=batch.pk).update(completed=5)
    expect(page.locator(".row-progress")).to_contain_text("5 of 8")

    page.evaluate("Object.defineProperty(document, 'hidden', {get: () => true})")
    page.wait_for_timeout(500)
    asked: list[str] = []
    page.on("request", lambda one: asked.append(one.url))
    page.wait_for_timeout(4500)

    assert asked == []


def test_cancel_asks_once_more(sit_down):
    project = make_project()
    batch = make_running_batch(project=project)
    page = sit_down(make_person(project, "lead"), page_of(batch))

    page.get_by_text("Cancel …").click()
    page.get_by_role("button", name="Cancel", exact=True).click()

    expect(page.locator(".message")).to_have_text("The batch is cancelled.")
    assert the_batch(pk=batch.pk).status == "cancelling"


@pytest.mark.timeout(600)
def test_two_hundred_hostile_lines_run_nothing_even_without_the_policy(sit_down):
    texts = payloads()
    assert len(set(texts)) >= 200
    project = make_project()
    ids = [f"{number} {text[:400]}" for number, text in enumerate(texts)]
    requests = [line(ids[n], text) for n, text in enumerate(texts)]
    batch = make_running_batch(*requests, project=project)
    answers = [
        judge(200, json.dumps({"choices": [{"message": {"content": text}}]}).encode())
        for text in texts
    ]
    end_with(batch, *answers)
    page = sit_down(make_person(project), bypass_csp=True)
    dialogs: list[str] = []
    foreign: list[str] = []

    def dismiss(dialog):
        dialogs.append(dialog.message)
        dialog.dismiss()

    page.on("dialog", dismiss)
    page.on("request", lambda one: foreign.append(one.url))

    page.goto(page_of(batch))
    while page.get_by_role("link", name="More").count():
        before = page.locator(".line").count()
        page.get_by_role("link", name="More").click()
        page.wait_for_function(
            "count => document.querySelectorAll('.line').length > count", arg=before
        )
    assert page.locator(".line").count() == len(texts)
    inside = page.evaluate(
        "[...document.querySelectorAll('.said *, .custom-id *')].map(e => e.localName)"
    )
    page.evaluate(
        "document.querySelectorAll('.raw-part').forEach(e => { e.open = true; })"
    )
    page.wait_for_function("document.querySelectorAll('.raw').length > 200")
    raw = page.evaluate(
        "[...document.querySelectorAll('.raw *')].map(e => e.localName)"
    )

    assert set(inside) <= {"span"} and set(raw) <= {"h3", "pre", "p"}
    assert page.evaluate("window.hacked ?? null") is None
    assert (dialogs, page.errors) == ([], [])
    assert not [url for url in foreign if url.startswith(FAR[:20])]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("options", [{}, PHONE], ids=["desk", "phone"])
def test_axe_finds_nothing_serious_and_nothing_overflows(sit_down, scheme, options):
    project = make_project()
    make_model()
    batch = make_running_batch(*lines(3, "word " * 300), project=project)
    end_with(batch, judge(200, b'{"choices":[]}'), failure(429), None)
    make_running_batch(project=project, paused_reason="the night")
    draft = make_batch("{broken", project=project, is_dry_run=True)
    end(draft)
    lead = make_person(project, "lead")
    page = sit_down(lead, color_scheme=scheme, reduced_motion="reduce", **options)

    for path in (
        "/admin/",
        f"{ROOT}batches/",
        f"{ROOT}new",
        page_of(batch) + "?q=word",
        page_of(batch, "lines/1/"),
        page_of(draft),
    ):
        page.goto(path)
        page.wait_for_load_state("networkidle")
        assert serious(page) == [], path
        width = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert width <= 0, path
