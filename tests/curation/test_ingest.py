"""Batches that ended become items, answers and tasks."""

import json
from typing import Any

import pytest

from batches.handlers.replaying import replay_runs
from batches.models import BatchJob
from batches.tasks import attend
from curation.comparing import add_comparison
from curation.models import Candidate, Item, Queue, Task
from tests.batches.ending import BROKEN, commit, end, retried, run
from tests.curation.answered import chat, counts, ended, handled, outcome, two_models
from tests.factories import line, make_model, make_project, make_running_batch

pytestmark = pytest.mark.django_db


def test_answers_of_two_models_to_the_same_prompt_become_a_pair():
    two_models()

    assert counts() == (2, 4, 2)
    for task in Task.objects.all():
        found = Candidate.objects.filter(pk__in=task.candidate_ids)
        assert {one.model for one in found} == {"stub", "other"}
        assert {one.item_id for one in found} == {task.item_id}


def test_a_second_run_changes_nothing():
    two_models()
    before = list(Task.objects.values())

    replay_runs(BatchJob.objects.all(), "curation")
    handled(*BatchJob.objects.all())

    assert counts() == (2, 4, 2) and list(Task.objects.values()) == before


def test_an_answer_keeps_where_it_came_from():
    requests: list[Any] = ["", line("x", "One?", temperature=0.5, seed=7)]
    batch = make_running_batch(*requests, metadata={"curation": "q"})
    entries = [{"model": "stub", "revision": "abc"}, {"model": "x", "revision": "z"}]
    BatchJob.objects.update(manifest={"entries": entries})

    commit(batch, {1: outcome(chat("Yes."))})
    handled(end(batch))

    one = Candidate.objects.get()
    assert (one.batch_id, one.line, one.custom_id) == (batch.pk, 2, "x")
    assert (one.model, one.model_revision) == ("stub", "abc")
    assert one.manifest == {"entries": entries[:1]}
    assert one.parameters == {"temperature": 0.5, "seed": 7}
    assert one.finish_reason == "stop" and one.usage["completion_tokens"] == 2
    assert one.output["content"] == one.text == "Yes."


def test_a_batch_without_a_tag_is_left_alone():
    handled(ended({"One?": "Yes."}, metadata=None))

    assert counts() == (0, 0, 0) and not Queue.objects.exists()


@pytest.mark.parametrize("name", [" ", "x" * 200, "a\0b"])
def test_a_tag_that_names_no_queue_does_no_harm(name):
    batch = ended({"One?": "Yes."}, metadata={})
    tag = {"curation": name.replace("\0", ""), "curation_mode": "nonsense"}
    BatchJob.objects.update(metadata=tag)

    handled(batch)

    assert counts() == (0, 0, 0)


def test_another_projects_answers_do_not_meet_ours():
    two_models()
    two_models()

    assert counts() == (4, 8, 4)


def test_the_mode_single_makes_a_task_of_each_answer():
    two_models(metadata={"curation": "q", "curation_mode": "single"})

    assert counts() == (2, 4, 4)


def test_the_mode_rank_makes_one_task_that_grows_with_the_answers():
    tag = {"curation": "q", "curation_mode": "rank"}
    project = two_models(metadata=tag)

    handled(ended({"One?": "Hm."}, project, model="third", metadata=tag))

    found = sorted((len(one.candidate_ids), one.state) for one in Task.objects.all())
    assert found == [(2, "open"), (2, "void"), (3, "open")]


def test_answers_of_one_model_with_equal_parameters_are_no_pair():
    project = make_project()
    handled(ended({"One?": "Yes."}, project), ended({"One?": "No."}, project))

    assert counts() == (1, 2, 0)


def test_answers_of_one_model_with_other_parameters_are_a_pair():
    project = make_project()
    handled(
        ended({"One?": "Yes."}, project, temperature=0),
        ended({"One?": "No."}, project, temperature=1),
    )

    assert counts() == (1, 2, 1)


def test_prompts_differ_by_their_tools_and_form():
    project = make_project()
    form = {"type": "json_object"}
    handled(
        ended({"One?": "Yes."}, project),
        ended({"One?": "{}"}, project, response_format=form, model="other"),
    )

    assert Item.objects.count() == 2


def test_a_retry_goes_where_its_parent_went():
    batch = ended({"One?": "Yes.", "Two?": "No."}, metadata={"curation": "q"})
    handled(batch)
    child = make_running_batch(
        line("x", "Three?"), project=batch.project, parent=batch, metadata=None
    )
    add_comparison(Queue.objects.get(), [batch])

    handled(run(child, outcome(chat("Yes."))))

    assert Candidate.objects.filter(batch_id=child.pk).exists()


def test_a_merged_retry_does_not_double_its_parents_answers():
    make_model()
    requests = [line("a", "One?"), line("b", "Two?")]
    batch = make_running_batch(*requests, metadata={"curation": "q"})
    handled(run(batch, outcome(chat("Yes.")), BROKEN))
    child = retried(batch, json.dumps({"merge": True}))
    attend(child.pk)
    handled(run(child, outcome(chat("No."))))

    found = Candidate.objects.order_by("custom_id").values_list("batch_id", "line")
    assert list(found) == [(batch.pk, 1), (child.pk, 1)]
