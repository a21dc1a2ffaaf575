"""A model runs on the gold set; what falls behind becomes a queue."""

from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from accounts.models import Project
from batches.handlers.replaying import replay_runs
from batches.models import BatchJob
from batches.tasks import attend
from curation.gold.scoring import score
from curation.models import Candidate, Decision, EvalResult, EvalRun, Revision, Task
from tests.batches.ending import run
from tests.curation.answered import chat, ended, handled, outcome
from tests.curation.rerunning.desk import answer, requests
from tests.curation.review.desk import Desk, make_person
from tests.factories import make_model, make_project

pytestmark = pytest.mark.django_db(transaction=True)
ANSWERS = {"ECHO Paris": "Paris.", "ECHO no": "Rome", "ECHO six": "6"}


def gold_set(project: Project | None = None, **body: Any) -> Project:
    """Let three answers be gold; the one to "ECHO six" is a correction."""
    project = project or make_project()
    handled(ended(ANSWERS, project, **body))
    for candidate in Candidate.objects.filter(item__project=project):
        fields: dict[str, Any] = {"answer_candidate": candidate}
        if candidate.text == "6":
            revision = Revision.objects.create(
                item=candidate.item,
                candidate=candidate,
                text="six",
                text_hash="h",
            )
            fields = {"answer_revision": revision}
        Decision.objects.create(
            item=candidate.item, is_gold=True, method="single", **fields
        )
    make_model("new")
    return project


def started(project: Project, **options: Any) -> EvalRun:
    call_command("run_gold", model="new", project=project.name, **options)
    return EvalRun.objects.get()


def results(run: EvalRun) -> dict[str, EvalResult]:
    rows = EvalResult.objects.filter(run=run).select_related("item")
    return {row.item.input["messages"][-1]["content"]: row for row in rows}


@pytest.mark.parametrize(
    ("gold", "said", "exact", "similarity"),
    [
        ("Paris", "paris.", True, 1.0),
        ('{"a": 1, "b": 2}', '{"b":2,"a":1}', True, 1.0),
        ("a b c d", "a b c e", False, None),
        ("one", "two", False, 0.0),
        ("", "", True, 1.0),
    ],
)
def test_answers_are_compared_without_their_spelling(gold, said, exact, similarity):
    found = score(gold, said, None)

    assert found.is_exact == exact
    assert similarity is None or found.similarity == similarity
    assert 0 <= found.similarity <= 1


def test_an_answer_that_breaks_its_form_is_a_regression():
    assert score("x", "x", False).is_regression(0.0)
    assert not score("x", "x", True).is_regression(1.0)


def test_every_gold_prompt_runs_with_its_parameters_on_the_new_model():
    project = gold_set(temperature=0, max_tokens=9)

    found = started(project)

    assert found.item_count == 3 and found.model == "new"
    bodies = [one["body"] for one in requests(found.batch)]
    assert {one["messages"][0]["content"] for one in bodies} == set(ANSWERS)
    common = {"model": "new", "temperature": 0, "max_tokens": 9}
    assert all(common.items() <= one.items() for one in bodies)


def test_results_are_scored_when_the_batch_ends():
    found = started(gold_set())

    answer(found.batch)

    rows = results(found)
    assert (rows["ECHO Paris"].is_exact, rows["ECHO Paris"].similarity) == (True, 1.0)
    assert rows["ECHO six"].is_exact
    assert rows["ECHO no"].is_regression and rows["ECHO no"].similarity == 0


def test_regressions_are_a_blind_queue_of_gold_and_new_answers():
    found = started(gold_set())

    answer(found.batch)

    found.refresh_from_db()
    assert found.queue is not None and found.queue.is_blind
    (task,) = Task.objects.filter(queue=found.queue)
    old, new = (Candidate.objects.get(pk=pk) for pk in task.candidate_ids)
    assert (old.text, new.text, new.model) == ("Rome", "no", "new")
    desk = Desk(found.queue)
    assert desk.next() is not None
    assert "new</span>" not in desk.html and "stub" not in desk.html


def test_a_corrected_gold_answer_is_shown_as_it_was_corrected():
    project = gold_set()
    make_model("third")
    Revision.objects.update(text="a dozen")
    found = started(project)

    answer(found.batch)

    found.refresh_from_db()
    tasks = Task.objects.filter(queue=found.queue)
    shown = Candidate.objects.filter(batch_id__startswith="revision-")
    assert tasks.count() == 2
    assert [(one.text, one.model) for one in shown] == [("a dozen", "stub")]


def test_without_regressions_there_is_no_queue():
    found = started(gold_set(), threshold=0.0)

    answer(found.batch)

    found.refresh_from_db()
    assert found.queue is None and not Task.objects.filter(queue=found.queue).exists()


def test_failed_lines_are_results_without_an_answer():
    found = started(gold_set())
    assert found.batch is not None
    attend(found.batch.pk)
    found.batch.refresh_from_db()

    bad = outcome(b"{}")
    handled(run(found.batch, bad, outcome(chat("x")), None))

    rows = EvalResult.objects.filter(run=found)
    assert rows.filter(candidate=None, is_regression=True).count() == 2
    errors = {row.error.split()[0] for row in rows.filter(candidate=None)}
    assert errors == {"without", "failed"}


def test_an_answer_out_of_its_form_is_a_regression_however_alike():
    project = make_project()
    form = {
        "type": "json_schema",
        "json_schema": {"name": "n", "schema": {"type": "object"}},
    }
    handled(ended({"ECHO [1]": "{}"}, project, response_format=form))
    candidate = Candidate.objects.get()
    Decision.objects.create(
        item=candidate.item, is_gold=True, method="single", answer_candidate=candidate
    )
    make_model("new")
    found = started(project, threshold=0.0)

    answer(found.batch)

    (row,) = results(found).values()
    assert row.is_valid is False and row.is_regression
    task = Task.objects.get(queue__eval_runs=found)
    assert task.reasons[0] == "not in the form asked for"


def test_handing_over_twice_changes_nothing():
    found = started(gold_set())
    answer(found.batch)
    before = [*EvalResult.objects.values("pk", "similarity")], Task.objects.count()
    assert found.batch is not None

    replay_runs(BatchJob.objects.filter(pk=found.batch.pk), "curation")
    handled(found.batch)

    after = [*EvalResult.objects.values("pk", "similarity")], Task.objects.count()
    assert before == after


def test_a_run_under_way_is_not_started_twice():
    project = gold_set()
    started(project)

    with pytest.raises(CommandError, match="at it already"):
        call_command("run_gold", model="new", project=project.name)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"model": "unknown"}, "not served"),
        ({"project": "nobody's"}, "no project"),
        ({"threshold": 1.5}, "from 0 to 1"),
        ({"threshold": float("nan")}, "from 0 to 1"),
    ],
)
def test_what_cannot_run_is_refused(options, why):
    project = gold_set()

    with pytest.raises(CommandError, match=why):
        call_command("run_gold", **{"model": "new", "project": project.name, **options})


def test_without_gold_there_is_nothing_to_run():
    project = gold_set()
    Decision.objects.update(is_gold=False)

    with pytest.raises(CommandError, match="no gold answers"):
        call_command("run_gold", model="new", project=project.name)


def test_superseded_gold_does_not_run():
    project = gold_set()
    first = Decision.objects.order_by("pk")[0]
    first.is_current = False
    first.save()

    assert started(project).item_count == 2


def lead(project: Project, **fields: Any) -> Client:
    client = Client()
    client.force_login(make_person(project, "lead", is_superuser=True, **fields))
    return client


def test_the_admin_runs_a_model_and_shows_what_came_of_it():
    project = gold_set()
    client = lead(project)
    url = "/admin/vllm_curation/evalrun/"

    form = client.get(f"{url}add/?project={project.pk}").content.decode()
    data = {"project": project.pk, "model": "new", "threshold": "0.8"}
    page = client.post(f"{url}add/", data, follow=True)

    assert "Run a model on the gold set" in form
    assert "new answers 3 gold prompts" in page.content.decode()
    found = EvalRun.objects.get()
    answer(found.batch)
    assert client.get(f"{url}{found.pk}/change/").status_code == 200
    assert client.get("/admin/vllm_curation/evalresult/").status_code == 200


def test_the_list_of_items_leads_to_the_page():
    project = gold_set()
    ids = list(project.items.values_list("pk", flat=True))

    page = lead(project).post(
        "/admin/vllm_curation/item/", {"action": "run_gold", "_selected_action": ids}
    )

    wanted = f"/admin/vllm_curation/evalrun/add/?project={project.pk}"
    assert page["Location"] == wanted


def test_reviewers_start_no_gold_run():
    project = gold_set()
    client = Client()
    client.force_login(make_person(project, "reviewer"))

    page = client.get("/admin/vllm_curation/evalrun/add/")

    assert page.status_code == 403 and not EvalRun.objects.exists()
