"""There and back again, with the real server."""

import time
from typing import Any

import pytest
from django.core.management import call_command

from accounts.models import Project
from batches.handlers.results import StoredResults
from batches.handlers.running import run_next
from batches.models import AttemptStatus, BatchJob, HandlerRun
from curation.ingest.batches import ingest_batch
from curation.label_studio import pushing
from curation.label_studio.client import LabelStudio, connect
from curation.label_studio.errors import Unreachable
from curation.label_studio.tasks import exchange
from curation.models import (
    Candidate,
    Decision,
    ExternalLink,
    LabelStudioProject,
    Queue,
    Review,
    Revision,
)
from tests.curation.label_studio.cast import QUEUE, make_batch_of, queue
from tests.label_studio.conftest import SECRET
from tests.label_studio.server import EMAIL, TOKEN, Server
from vllm_batch.lib.clock import database_now

pytestmark = [pytest.mark.django_db, pytest.mark.timeout(600)]
PROMPTS, ANNOTATED = 200, 20

# Twenty tasks: A, B, tie, both bad in turn; every fifth corrected, every fourth gold.
ANNOTATE = """
words = ["A better", "B better", "Tie", "Both bad"]
said = {}
def result(name, kind, value):
    return {"id": name, "from_name": name, "to_name": "prompt", "type": kind,
            "value": value}
for place, task in enumerate(ids):
    word = words[place % 4]
    results = [result("verdict", "choices", {"choices": [word]})]
    if place % 5 == 0:
        text = f"corrected {task}"
        results.append(result("correction", "textarea", {"text": [text]}))
    if place % 4 == 0:
        results.append(result("gold", "choices", {"choices": ["gold"]}))
    made = ls.annotations.create(id=task, result=results, lead_time=3.2)
    said[task] = [word, place % 5 == 0, place % 4 == 0, made.id]
print(json.dumps(said))
"""


def make_pair(project: Project, count: int = PROMPTS) -> None:
    for model in ("red", "blue"):
        make_batch_of(project, model, count)


def push() -> None:
    while run_next("label_studio"):
        pass


def row() -> LabelStudioProject:
    return LabelStudioProject.objects.get(queue__name=QUEUE)


def assert_each_once(server: Server, count: int) -> list[dict[str, Any]]:
    remote = server.tasks(row().remote_id or 0)
    names = [task["data"]["ext_id"] for task in remote]
    assert len(names) == len(set(names)) == count
    links = ExternalLink.objects.filter(object_type="task")
    assert dict(links.values_list("remote_id", "data__ext_id")) == {
        str(task["id"]): task["data"]["ext_id"] for task in remote
    }
    return remote


def expected(task: dict[str, Any], word: str) -> tuple[str, int | None]:
    shown = task["data"]["shown"]
    if word in ("A better", "B better"):
        return "win", shown[word[0].lower()]
    return {"Tie": "tie", "Both bad": "both_bad"}[word], None


def test_two_hundred_results_of_two_models_go_there_and_verdicts_come_back(
    server: Server, project: Project
):
    make_pair(project)
    push()
    remote = assert_each_once(server, PROMPTS)
    for task in remote:
        assert len(task["predictions"]) == 2
        texts = {pk: task["data"][f"answer_{side}_html"] for side, pk in
                 task["data"]["shown"].items()}  # fmt: skip
        models = {pk: Candidate.objects.get(pk=pk).model for pk in texts}
        assert set(models.values()) == {"red", "blue"}
        assert all(texts[pk].startswith(f"<p>{m} says") for pk, m in models.items())

    chosen = [task["id"] for task in remote[:ANNOTATED]]
    said = server.sdk(ANNOTATE, ids=chosen)
    call_command("pull_label_studio", "--project", "colours")

    assert Review.objects.count() == ANNOTATED
    by_id = {str(task["id"]): task for task in remote}
    for remote_id, (word, is_corrected, is_gold, annotation) in said.items():
        link = ExternalLink.objects.get(
            object_type="annotation", remote_id=str(annotation)
        )
        review = Review.objects.select_related("reviewer").get(pk=link.local_id)
        task = by_id[remote_id]
        assert (review.outcome, review.winner_id) == expected(task, word)
        assert review.shown_order == list(task["data"]["shown"].values())
        assert review.reviewer.get_username() == f"labelstudio+{EMAIL}"
        assert (review.is_gold, review.active_ms) == (is_gold, 3200)
        assert f"task:{review.task_id}:" in task["data"]["ext_id"]
        revisions = Revision.objects.filter(review=review)
        corrected = list(revisions.values_list("text", flat=True))
        assert corrected == ([f"corrected {remote_id}"] if is_corrected else [])
        decision = Decision.objects.filter(task=review.task, is_current=True).first()
        if word in ("A better", "B better") and not is_corrected:
            assert decision is not None
            assert decision.answer_candidate_id == review.winner_id
            assert decision.is_gold == is_gold
    assert not ExternalLink.objects.exclude(conflict="").exists()

    HandlerRun.objects.update(status=AttemptStatus.DEAD)
    call_command("replay_handlers", "--handler", "label_studio")
    push()
    call_command("pull_label_studio", "--all")
    again = assert_each_once(server, PROMPTS)
    assert [task["id"] for task in again] == [task["id"] for task in remote]
    assert sum(len(task["annotations"]) for task in again) == ANNOTATED
    assert sum(len(task["predictions"]) for task in again) == 2 * PROMPTS
    assert Review.objects.count() == ANNOTATED


class Cut(LabelStudio):
    """A connection whose server stops after two imports, before its answer came."""

    server: Server
    imports = 0

    def import_tasks(self, project: int, tasks: list[dict[str, Any]]) -> list[int]:
        done = super().import_tasks(project, tasks)
        self.imports += 1
        if self.imports == 2:
            self.server.stop()
            raise Unreachable("cut off")
        return done


def test_a_server_that_stops_half_way_gets_everything_once_it_is_back(
    server: Server, project: Project, monkeypatch: Any
):
    monkeypatch.setattr(pushing, "MOST_TASKS", 50)
    make_pair(project)
    q = queue_with_tasks()
    cut = Cut(server.url, TOKEN)
    cut.server = server
    with pytest.raises(Unreachable):
        pushing.push_queue(cut, q)
    assert ExternalLink.objects.filter(object_type="task").count() == 50

    # The handler's own tries fail, and wait for another time.
    push()
    runs = HandlerRun.objects.filter(handler="label_studio")
    assert set(runs.values_list("status", flat=True)) == {"pending"}
    assert "does not answer" in runs.latest("pk").last_error

    server.start()
    runs.update(next_attempt_at=database_now())
    push()
    assert set(runs.values_list("status", flat=True)) == {"succeeded"}
    assert_each_once(server, PROMPTS)


def queue_with_tasks() -> Queue:
    """Let the curation handler make the tasks, so that only pushing is left."""
    q, _ = Queue.objects.get_or_create(project=Project.objects.get(), name=QUEUE)
    for batch in BatchJob.objects.all():
        ingest_batch(batch, q, StoredResults(batch))
    return q


def test_changes_and_deletions_come_back(server: Server, project: Project):
    make_pair(project, 3)
    push()
    first, second, _ = server.tasks(row().remote_id or 0)

    def results(word: str) -> list[dict[str, Any]]:
        value = {"choices": [word]}
        return [{"id": "v", "from_name": "verdict", "to_name": "prompt",
                 "type": "choices", "value": value}]  # fmt: skip

    made = [
        server.call(
            "POST", f"/api/tasks/{task['id']}/annotations/",
            json={"result": results("Tie")},
        )
        for task in (first, second)
    ]  # fmt: skip
    call_command("pull_label_studio")
    server.call(
        "PATCH", f"/api/annotations/{made[0]['id']}/",
        json={"result": results("Both bad")},
    )  # fmt: skip
    server.call("DELETE", f"/api/annotations/{made[1]['id']}/")
    call_command("pull_label_studio")

    found = Review.objects.order_by("pk").values_list("outcome", "status")
    assert list(found) == [
        ("tie", "retracted"),
        ("tie", "retracted"),
        ("both_bad", "submitted"),
    ]


def test_what_changed_here_is_updated_in_place(server: Server, project: Project):
    make_pair(project, 3)
    push()
    q = queue()
    q.is_blind, q.reviews_required, q.instructions = False, 2, "Look closely."
    q.save()

    done = pushing.push_queue(connect(), q)

    assert (done.created, done.updated) == (0, 3)
    names = {task["data"]["name_a"] for task in assert_each_once(server, 3)}
    assert names <= {"red", "blue"}
    there = server.call("GET", f"/api/projects/{row().remote_id}")
    assert (there["maximum_annotations"], there["expert_instruction"]) == (
        2,
        "Look closely.",
    )


def test_single_answers_with_a_legacy_token(
    server: Server, project: Project, configure: Any
):
    configure(LABEL_STUDIO_TOKEN=TOKEN)
    make_batch_of(project, "red", 3, curation_mode="single")

    push()

    assert_each_once(server, 3)


@pytest.mark.django_db(transaction=True)
def test_its_webhook_brings_an_annotation(
    server: Server, project: Project, live_server: Any
):
    make_pair(project, 1)
    push()
    exchange()
    remote_id = row().remote_id or 0
    hook = {
        "url": f"{live_server.url}/v1/label_studio/hook",
        "project": remote_id,
        "send_payload": True,
        "send_for_all_actions": True,
        "headers": {"X-Label-Studio-Secret": SECRET},
    }
    server.call("POST", "/api/webhooks/", json=hook)
    (task,) = server.tasks(remote_id)

    result = {"id": "v", "from_name": "verdict", "to_name": "prompt"}
    result |= {"type": "choices", "value": {"choices": ["Tie"]}}  # type: ignore[dict-item]
    path = f"/api/tasks/{task['id']}/annotations/"
    server.call("POST", path, json={"result": [result]})

    # Label Studio calls before it answers, or a moment after.
    ends_at = time.monotonic() + 20
    while row().pull_requested_at is None and time.monotonic() < ends_at:
        time.sleep(0.1)
    exchange()
    assert Review.objects.get().outcome == "tie"
