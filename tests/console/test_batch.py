"""A batch's page: its state, its buttons, its files, and who may press what."""

from typing import Any

import pytest

from batches.models import BatchJob, HandlerRun
from tests.batches.ending import GOOD, LIMITED, make_ended
from tests.console.people import ROOT, cast, page_of, read, sign_in
from tests.factories import make_batch, make_project, make_running_batch
from vllm_batch.lib.clock import database_now

pytestmark = pytest.mark.django_db


def press(client, batch, verb):
    return client.post(page_of(batch, f"do/{verb}"), follow=True)


def reloaded(batch):
    return BatchJob.objects.get(pk=batch.pk)


def test_the_page_says_how_far_the_batch_is():
    project, lead, _ = cast()
    batch = make_ended(GOOD, LIMITED, project=project)

    page = read(lead, page_of(batch))

    assert "completed" in page and "Failed: rate limit" in page
    assert f"{batch.pk}_output.jsonl" in page


def test_pause_resume_and_cancel():
    project, lead, _ = cast()
    batch = make_running_batch(project=project)

    press(lead, batch, "pause")
    assert reloaded(batch).paused_reason.startswith("by person")
    press(lead, batch, "resume")
    assert reloaded(batch).paused_reason == ""
    press(lead, batch, "cancel")
    assert reloaded(batch).status == "cancelling"


def test_retry_leads_to_the_new_batch():
    project, lead, _ = cast()
    batch = make_ended(GOOD, LIMITED, project=project)

    response = press(lead, batch, "retry")

    child = batch.retries.get()
    assert response.redirect_chain[-1][0] == page_of(child)
    assert not child.is_merged


def test_retry_and_merge():
    project, lead, _ = cast()
    batch = make_ended(GOOD, LIMITED, project=project)

    press(lead, batch, "retry_and_merge")

    assert batch.retries.get().is_merged


def test_handlers_are_replayed():
    project, lead, _ = cast()
    batch = make_ended(GOOD, project=project)

    page = press(lead, batch, "replay_handlers").content.decode()

    assert HandlerRun.objects.filter(batch=batch).exists() and "will run again" in page


@pytest.mark.parametrize(
    ("status", "offered", "missing"),
    [
        ("in_progress", {"Pause", "Cancel"}, {"Resume", "Replay handlers"}),
        ("completed", {"Replay handlers"}, {"Pause", "Cancel …"}),
    ],
)
def test_only_what_makes_sense_is_offered(status, offered, missing):
    project, lead, _ = cast()
    batch = make_batch(project=project, status=status)

    page = read(lead, page_of(batch))

    assert all(word in page for word in offered)
    assert not any(f">{word}<" in page for word in missing)


def test_a_refusal_is_told():
    project, lead, _ = cast()
    batch = make_ended(GOOD, project=project)

    page = press(lead, batch, "cancel").content.decode()

    assert "Cannot cancel a batch with status" in page


VERBS = [
    "do/pause", "do/resume", "do/cancel", "do/retry", "do/retry_and_merge",
    "do/run_again", "do/replay_handlers", "run",
]  # fmt: skip


@pytest.mark.parametrize("path", VERBS)
def test_reviewers_may_look_but_not_act(path):
    project, _, stranger = cast()
    batch = make_running_batch(project=project)
    reviewer = sign_in(project, "reviewer")

    assert "Cancel" not in read(reviewer, page_of(batch))
    assert reviewer.post(page_of(batch, path)).status_code == 403
    assert stranger.post(page_of(batch, path)).status_code == 404
    assert reloaded(batch).status == "in_progress"


@pytest.mark.parametrize("path", ["", "lines", "lines/1/", "files/x"])
def test_others_do_not_see_the_batch(path):
    project, _, stranger = cast()
    batch = make_running_batch(project=project)

    assert stranger.get(page_of(batch, path)).status_code == 404


@pytest.mark.parametrize("path", VERBS)
def test_buttons_need_a_token_and_a_post(path):
    project = make_project()
    batch = make_running_batch(project=project)
    careful = sign_in(project, enforce_csrf_checks=True)

    assert careful.post(page_of(batch, path)).status_code == 403
    assert careful.get(page_of(batch, path)).status_code == 405


def test_an_unknown_button_is_not_found():
    project, lead, _ = cast()

    assert press(lead, make_batch(project=project), "explode").status_code == 404


def test_files_can_be_downloaded_by_members():
    project, lead, _ = cast()
    batch = make_ended(GOOD, project=project)

    response: Any = lead.get(page_of(batch, f"files/{batch.output_file_id}"))

    assert b'"custom_id":"l0"' in b"".join(response.streaming_content)
    assert response["Content-Disposition"].startswith("attachment")


def test_a_file_of_another_batch_is_no_file_of_this_one():
    project, lead, _ = cast()
    mine, other = make_ended(GOOD, project=project), make_ended(GOOD)

    path = page_of(mine, f"files/{other.output_file_id}")

    assert lead.get(path).status_code == 404


def test_the_list_is_paged_and_filtered():
    project, lead, _ = cast()
    for number in range(30):
        make_batch(project=project, metadata={"title": f"night {number:02}"})
    ended = make_batch(project=project, status="failed", failed_at=database_now())

    first = read(lead, f"{ROOT}batches/")
    assert "night 29" in first and "night 00" not in first
    older = first.split('<a href="?before=')[1].split('"')[0].replace("&amp;", "&")
    assert "night 00" in read(lead, f"{ROOT}batches/?before={older}")
    assert "night" not in read(lead, f"{ROOT}batches/?status=failed")
    assert ended.pk in read(lead, f"{ROOT}batches/?status=failed")
    assert "night 07" in read(lead, f"{ROOT}batches/?q=NIGHT 07")


@pytest.mark.parametrize(
    "query", ["?before=%00", "?project=x", "?status=%27", "?q=%00%27%22", "?before=x"]
)
def test_a_senseless_address_breaks_nothing(query):
    _, lead, _ = cast()

    read(lead, f"{ROOT}batches/{query}")


def test_titles_and_reasons_are_text():
    project, lead, _ = cast()
    evil = "<script>alert(1)</script>"
    batch = make_batch(
        project=project, status="in_progress", metadata={"title": evil},
        paused_reason=evil, model=evil,
    )  # fmt: skip

    for path in (ROOT, f"{ROOT}batches/", page_of(batch)):
        assert evil not in read(lead, path)
