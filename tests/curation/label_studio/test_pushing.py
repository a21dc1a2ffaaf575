"""Batches arrive in Label Studio: each task once, whatever breaks in between."""

from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from accounts.models import Project
from batches.models import HandlerRun
from curation.label_studio.client import connect
from curation.label_studio.labelling import labelling_config, variables
from curation.models import Candidate, ExternalLink, LabelStudioProject
from tests.curation.label_studio.cast import (
    QUEUE,
    make_batch_of,
    push_all,
    queue,
    tasks,
)
from tests.curation.label_studio.server import LEGACY, Server
from vllm_batch.lib.clock import database_now

pytestmark = pytest.mark.django_db
IMPORT = r"/api/projects/\d+/import"


def push_again() -> str:
    out = StringIO()
    call_command(
        "push_label_studio", "--project", "colours", "--queue", QUEUE, stdout=out
    )
    return out.getvalue()


def make_pair(project: Project, count: int = 3) -> None:
    for model in ("red", "blue"):
        make_batch_of(project, model, count)
    push_all()


def ext_ids(server: Server) -> list[str]:
    return [task["data"]["ext_id"] for task in server.tasks.values()]


def assert_each_once(server: Server, count: int) -> None:
    assert len(ext_ids(server)) == len(set(ext_ids(server))) == count
    links = ExternalLink.objects.filter(object_type="task")
    assert {(int(link.remote_id), link.data["ext_id"]) for link in links} == {
        (pk, task["data"]["ext_id"]) for pk, task in server.tasks.items()
    }


def test_two_batches_over_the_same_prompts_meet_in_one_project(
    server: Server, project: Project
):
    make_pair(project)

    assert_each_once(server, 3)
    (remote,) = server.projects.values()
    assert remote["title"] == f"{QUEUE} #{queue().pk}"
    assert set(HandlerRun.objects.values_list("handler", "status")) >= {
        ("label_studio", "succeeded")
    }


def test_a_task_has_what_the_configuration_needs_and_hides_the_models(
    server: Server, project: Project
):
    make_pair(project)

    for task in server.tasks.values():
        data = task["data"]
        assert variables(labelling_config("pair")) <= set(data)
        assert data["prompt"].startswith("user: What is ")
        assert (data["name_a"], data["name_b"]) == ("Answer A", "Answer B")
        for side in "ab":
            shown = Candidate.objects.get(pk=data["shown"][side])
            assert f"{shown.model} says <strong>" in data[f"answer_{side}_html"]


def test_the_sides_are_shuffled(server: Server, project: Project):
    make_pair(project, 40)

    on_the_left = [
        Candidate.objects.get(pk=task["data"]["shown"]["a"]).model
        for task in server.tasks.values()
    ]
    assert 8 <= on_the_left.count("red") <= 32


def test_each_answer_is_offered_as_a_start_for_a_correction(
    server: Server, project: Project
):
    make_pair(project, 1)

    (task,) = server.tasks.values()
    offered = {
        one["model_version"]: one["result"][0]["value"]["text"][0]
        for one in task["predictions"]
    }
    shown = task["data"]["shown"]
    assert offered == {
        f"Answer {side.upper()}": Candidate.objects.get(pk=pk).text
        for side, pk in shown.items()
    }


def test_pushing_again_does_nothing(server: Server, project: Project):
    make_pair(project)
    server.calls.clear()

    said = push_again()

    assert server.calls == []
    assert "0 tasks new in Label Studio, 0 updated" in said


def test_what_changed_is_updated_in_place(server: Server, project: Project):
    make_pair(project)
    q = queue()
    q.is_blind, q.instructions = False, "Look at the colours."
    q.save()

    said = push_again()

    assert "0 tasks new in Label Studio, 3 updated" in said
    assert_each_once(server, 3)
    names = {task["data"]["name_a"] for task in server.tasks.values()}
    assert names <= {"red", "blue"}
    assert server.projects[1]["expert_instruction"] == "Look at the colours."


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/token/refresh"),
        ("GET", "/api/projects"),
        ("POST", "/api/projects"),
        ("POST", IMPORT),
    ],
)
def test_a_push_that_is_cut_off_is_made_good(
    server: Server, project: Project, method: str, path: str, when: str
):
    server.faults.append((method, path, when))
    make_pair(project)
    assert server.faults == []

    push_again()

    assert_each_once(server, 3)
    assert len(server.projects) == 1


def test_a_crash_between_the_import_and_our_commit_doubles_nothing(
    server: Server, project: Project
):
    make_pair(project)
    # As it is if the process dies right after the import.
    ExternalLink.objects.all().delete()
    LabelStudioProject.objects.update(is_import_open=True, push_lease="")

    push_again()

    assert_each_once(server, 3)


def test_the_remote_project_is_found_after_a_crash(server: Server, project: Project):
    make_pair(project)
    ExternalLink.objects.all().delete()
    LabelStudioProject.objects.update(remote_id=None)

    push_again()

    assert_each_once(server, 3)
    assert len(server.projects) == 1


def test_a_push_waits_while_another_one_runs(server: Server, project: Project):
    make_pair(project)
    later = database_now() + timedelta(minutes=1)
    LabelStudioProject.objects.update(push_lease="other", push_lease_expires_at=later)

    with pytest.raises(CommandError, match="Another process"):
        push_again()


def test_a_task_that_was_deleted_there_stays_deleted(server: Server, project: Project):
    make_pair(project)
    del server.tasks[2]
    q = queue()
    q.is_blind = False
    q.save()

    push_again()

    assert sorted(server.tasks) == [1, 3]
    link = ExternalLink.objects.get(object_type="task", remote_id="2")
    assert link.conflict == "The task was deleted in Label Studio."


def test_a_legacy_token_works_too(server: Server, project: Project, configure: Any):
    configure(LABEL_STUDIO_TOKEN=LEGACY)

    make_pair(project, 1)

    assert_each_once(server, 1)
    assert "POST /api/token/refresh" not in server.calls


def test_an_access_token_that_has_ended_is_exchanged_again(server: Server):
    client = connect()
    client.users()
    server.access = "another.access.token"

    assert client.users()
    assert server.calls.count("POST /api/token/refresh") == 2


def test_a_wrong_token_is_said_clearly(
    server: Server, project: Project, configure: Any
):
    configure(LABEL_STUDIO_TOKEN="0" * 40)

    make_pair(project, 1)

    run = HandlerRun.objects.filter(handler="label_studio").latest("pk")
    assert run.status == "pending"
    assert "answered 401" in run.last_error


def test_a_batch_without_the_tag_goes_nowhere(server: Server, project: Project):
    make_batch_of(project, "red", label_studio="")
    push_all()

    assert server.calls == []


def test_single_answers(server: Server, project: Project):
    make_batch_of(project, "red", curation_mode="single")
    push_all()

    assert_each_once(server, 3)
    assert server.projects[1]["model_version"] == "Answer A"
    assert variables(server.projects[1]["label_config"]) == {
        "prompt",
        "name_a",
        "answer_a_html",
    }


def test_a_queue_that_ranks_is_refused(server: Server, project: Project):
    batch = make_batch_of(project, "red", curation_mode="rank")
    push_all()

    run = HandlerRun.objects.get(handler="label_studio", batch=batch)
    assert run.status == "dead"
    assert server.calls == []


def test_hostile_answers_are_harmless(server: Server, project: Project):
    make_pair(project, 1)
    (task,) = tasks()
    hostile = "<script>x()</script>![a](http://evil.example/a.png)<img src=x onerror=y>"
    Candidate.objects.filter(pk__in=task.candidate_ids).update(text=hostile)

    push_again()

    (remote,) = server.tasks.values()
    shown = remote["data"]["answer_a_html"]
    assert "<script" not in shown and "<img" not in shown
