"""A new batch from the browser: upload, check, run."""

import json

import pytest

from batches.models import BatchJob
from batches.tasks import attend
from files.models import File
from tests.batches.ending import content
from tests.console.people import ROOT, cast, drafted, page_of, read, sign_in, upload
from tests.curation.review.desk import make_person
from tests.factories import (
    CHAT,
    EMBEDDINGS,
    jsonl,
    line,
    lines,
    make_model,
    make_project,
)

pytestmark = pytest.mark.django_db
NEW = f"{ROOT}new"


def checked(response):
    draft = drafted(response)
    attend(draft.pk)
    draft.refresh_from_db()
    return draft


def run(client, draft):
    response = client.post(page_of(draft, "run"))
    return BatchJob.objects.get(pk=response["Location"].split("/")[-2])


def test_the_form_offers_models_endpoints_windows_and_own_projects(configure):
    configure(BATCH_COMPLETION_WINDOWS=["24h", "1h"])
    project, lead, _ = cast()
    other = make_project()
    make_model("a-model")

    page = read(lead, NEW)

    assert "a-model" in page and EMBEDDINGS in page and ">1h<" in page
    assert f'value="{project.pk}"' in page and other.name not in page


def test_an_upload_is_looked_at_and_nothing_runs():
    project, lead, _ = cast()
    make_model()

    draft = checked(upload(lead, project, jsonl(*lines(5))))

    assert draft.is_dry_run and draft.status == "completed" and draft.project == project
    page = read(lead, page_of(draft))
    assert "Ready to run" in page and "Run 5 lines" in page
    assert "Expected time at most" in page


def test_what_was_looked_at_runs_with_all_that_was_chosen():
    project, lead, _ = cast()
    make_model()
    chosen = {"priority": "7", "canary": "on", "canary_lines": "2", "title": "a night"}
    draft = checked(upload(lead, project, jsonl(*lines(5)), **chosen))

    batch = run(lead, draft)

    assert not batch.is_dry_run and batch.input_file_id == draft.input_file_id
    assert batch.priority == 7 and batch.canary["lines"] == 2
    assert batch.metadata == {"title": "a night"} and batch.completion_window == "24h"


def test_pressing_twice_makes_one_batch():
    project, lead, _ = cast()
    make_model()
    draft = checked(upload(lead, project, jsonl(line())))

    assert run(lead, draft) == run(lead, draft)
    assert BatchJob.objects.filter(is_dry_run=False).count() == 1


def test_faults_stand_by_their_line_with_its_start():
    project, lead, _ = cast()
    make_model()

    draft = checked(upload(lead, project, jsonl(line("a"), "{broken <b>", line("a"))))

    page = read(lead, page_of(draft))
    assert "This file would not run" in page and "2 faults" in page
    assert "Line 2" in page and "{broken &lt;b&gt;" in page and "Line 3" in page
    assert "Run " not in page.split("<main")[1]


def test_a_chosen_model_is_written_into_the_lines():
    project, lead, _ = cast()
    make_model("mine")
    request = line("a", "hi", model="theirs", temperature=0.5)

    draft = checked(upload(lead, project, jsonl(request), model="mine"))

    (stored,) = content(draft.input_file_id).splitlines()
    assert json.loads(stored)["body"] == {**request["body"], "model": "mine"}
    assert draft.model == "mine"


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"endpoint": "/v1/nope"}, "Supported values"),
        ({"completion_window": "9h"}, "Supported values"),
        ({"priority": "1000"}, "Expected -100 to 100"),
        ({"priority": "x"}, "whole number"),
        ({"canary": "on", "canary_lines": "0"}, "Expected 1 to 10000"),
        ({"model": "nope"}, "no model"),
        ({"filename": "in.csv"}, "Must be .jsonl"),
        ({"title": "x" * 600}, "too long"),
    ],
)
def test_a_refusal_keeps_what_was_chosen_and_stores_nothing(fields, text, storage):
    project, lead, _ = cast()

    response = upload(lead, project, jsonl(line()), **{"title": "kept", **fields})

    page = response.content.decode()
    assert response.status_code == 400 and text in page
    assert "title" in fields or 'value="kept"' in page
    assert not File.objects.exists() and not BatchJob.objects.exists()
    assert not [path for path in storage.rglob("*") if path.is_file()]


def test_bytes_that_are_no_utf8_are_refused():
    project, lead, _ = cast()

    response = upload(lead, project, b"\xff\xfe")

    assert response.status_code == 400 and "utf-8" in response.content.decode()


def test_an_upload_without_a_file_is_refused():
    project, lead, _ = cast()
    form = {"project": project.pk, "endpoint": CHAT, "completion_window": "24h"}

    response = lead.post(NEW, form)

    assert response.status_code == 400 and "Missing" in response.content.decode()


def test_a_full_disk_is_told(configure):
    configure(DISK_RESERVE_BYTES=1 << 60)
    project, lead, _ = cast()

    response = upload(lead, project, jsonl(line()))

    assert response.status_code == 507 and "disk is full" in response.content.decode()


@pytest.mark.parametrize("role", ["reviewer", ""])
def test_only_leads_and_administrators_make_batches(role):
    project = make_project()
    client = sign_in(project, role) if role else sign_in()

    assert client.get(NEW).status_code == 403
    assert upload(client, project, jsonl(line())).status_code == 403
    assert not BatchJob.objects.exists()


def test_nobody_makes_a_batch_in_a_foreign_project():
    project, lead, stranger = cast()

    assert upload(stranger, project, jsonl(line())).status_code == 403
    assert upload(lead, make_project(), jsonl(line())).status_code == 403
    assert not BatchJob.objects.exists() and not File.objects.exists()


def test_a_foreign_page_cannot_upload():
    project = make_project()
    careful = sign_in(project, enforce_csrf_checks=True)

    response = upload(careful, project, jsonl(line()))

    assert response.status_code == 403 and not File.objects.exists()


def test_a_token_from_the_page_opens_the_door():
    project = make_project()
    careful = sign_in(project, enforce_csrf_checks=True)
    page = read(careful, NEW)
    token = page.split('name="csrfmiddlewaretoken" value="')[1].split('"')[0]

    drafted(upload(careful, project, jsonl(line()), csrfmiddlewaretoken=token))


def test_who_is_not_signed_in_is_sent_to_do_so(client):
    project = make_project()
    client.force_login(make_person(project, is_staff=False))

    assert "/login/" in upload(client, project, jsonl(line()))["Location"]


@pytest.mark.parametrize("status", ["failed", "validating"])
def test_only_a_check_that_ended_well_runs(status):
    project, lead, _ = cast()
    make_model()
    draft = drafted(upload(lead, project, jsonl(line())))
    BatchJob.objects.filter(pk=draft.pk).update(status=status)

    response = lead.post(page_of(draft, "run"), follow=True)

    assert "ended well" in response.content.decode()
    assert not BatchJob.objects.filter(is_dry_run=False).exists()
