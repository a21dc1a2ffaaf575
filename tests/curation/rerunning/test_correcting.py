"""A lead corrects prompts; the same models answer again; old meets new."""

from typing import Any

import pytest

from batches.handlers.replaying import replay_runs
from batches.models import BatchJob
from batches.tasks import attend
from curation.models import Candidate, Item, Queue, Rerun, Task
from tests.batches.ending import retried, run
from tests.curation.answered import chat, ended, handled, outcome, queue
from tests.curation.rerunning.desk import Lead, answer_all, requests
from tests.curation.review.desk import Desk
from tests.factories import make_project

# The stub engine runs in threads of its own.
pytestmark = pytest.mark.django_db(transaction=True)
ASKED = "which is better"


def two_models(metadata: Any = None, **body: Any) -> Queue:
    """Let two models answer the same two prompts, as reviewers get them."""
    project = make_project()
    metadata = metadata or {"curation": ASKED}
    answers = {"ECHO one": "1", "ECHO two": "2"}
    batches = [
        ended(answers, project, metadata=metadata, **body),
        ended(
            {key: f"{text}!" for key, text in answers.items()},
            project,
            model="other",
            metadata=metadata,
            **body,
        ),
    ]
    handled(*batches)
    return queue()


def prompt(item: Item) -> list[tuple[str, str]]:
    return [(one["role"], one["content"]) for one in item.input["messages"]]


def test_a_system_text_for_a_whole_queue_becomes_a_batch_for_each_model():
    lead = Lead(two_models(temperature=0.5, seed=7))

    lead.send(system="Be brief.")

    reruns = list(Rerun.objects.order_by("model"))
    assert [(one.model, one.line_count) for one in reruns] == [
        ("other", 2),
        ("stub", 2),
    ]
    lines = requests(reruns[1].batch)
    (body,) = [one["body"] for one in lines if "ECHO one" in str(one)]
    assert body == {
        "model": "stub",
        "temperature": 0.5,
        "seed": 7,
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "ECHO one"},
        ],
    }
    assert reruns[0].created_by == lead.user


def test_the_answers_meet_those_before_in_the_same_queue():
    asked = two_models()
    Lead(asked).send(system="Be brief.")

    answer_all()

    tasks = Task.objects.filter(queue=asked, reasons__0="before and after a correction")
    assert tasks.count() == 4
    for task in tasks:
        old, new = (Candidate.objects.get(pk=pk) for pk in task.candidate_ids)
        assert new.parent == old and new.model == old.model
        assert task.item == new.item != old.item
        assert prompt(new.item) == [("system", "Be brief."), *prompt(old.item)]


def test_one_item_is_corrected_by_its_texts():
    asked = two_models()
    item = Item.objects.get(input__messages__0__content="ECHO one")

    Lead(asked).send(item.pk, **{"system": "", "text-0": "ECHO eins\r\nzwei"})
    answer_all()

    new = Candidate.objects.filter(parent__item=item)
    assert {one.text for one in new} == {"eins\nzwei"}
    assert {tuple(prompt(one.item)) for one in new} == {(("user", "ECHO eins\nzwei"),)}


def test_a_preview_runs_nothing_and_says_what_would_run():
    asked = two_models()
    asked.project.batches.count()

    shown = Lead(asked).preview(system="Be brief.")

    assert "<b>2</b> lines on stub" in shown and "<b>2</b> lines on other" in shown
    assert "Run 4 lines" in shown
    assert not Rerun.objects.exists()


def test_a_double_click_sends_nothing_twice():
    lead = Lead(two_models())

    lead.send(system="Be brief.")
    again = lead.send(system="Be brief.")

    assert "asked for again" in again.content.decode()
    assert Rerun.objects.count() == 2 and BatchJob.objects.count() == 4


def test_what_was_run_again_so_is_not_run_again():
    lead = Lead(two_models())
    lead.send(system="Be brief.")
    answer_all()

    shown = lead.preview(system="Be brief.")

    assert "4 answers were asked for again so before" in shown
    assert "4 answers would get the same prompt" in shown
    refused = lead.send(system="Be brief.")
    assert "There is nothing to run" in refused.content.decode()
    assert Rerun.objects.count() == 2


def test_a_correction_whose_batch_was_cancelled_may_be_sent_again():
    lead = Lead(two_models())
    lead.send(system="Be brief.")
    BatchJob.objects.filter(rerun__isnull=False).update(status="cancelled")

    lead.send(system="Be brief.")

    assert Rerun.objects.count() == 4


def test_handing_over_twice_changes_nothing():
    Lead(two_models()).send(system="Be brief.")
    reruns = answer_all()
    before = Candidate.objects.count(), Task.objects.count(), Item.objects.count()

    batches = BatchJob.objects.filter(rerun__in=reruns)
    replay_runs(batches, "curation")
    handled(*batches)

    after = Candidate.objects.count(), Task.objects.count(), Item.objects.count()
    assert before == after


def test_a_model_that_is_served_no_more_stays_behind():
    asked = two_models()
    from workers.models import ServedModel

    ServedModel.objects.filter(name="other").delete()
    lead = Lead(asked)

    assert "other is not served" in lead.preview(system="Be brief.")
    lead.send(system="Be brief.")
    assert [one.model for one in Rerun.objects.all()] == ["stub"]


def test_only_one_of_several_system_texts_is_replaced():
    project = make_project()
    first = ended({"ECHO a": "1"}, project)
    handled(first)
    asked = queue()
    asked.mode = "pair"
    handled(ended({"ECHO a": "2"}, project, model="other"))
    item = Item.objects.get()
    item.input = {
        "messages": [{"role": "system", "content": "Old"}, *item.input["messages"]]
    }
    item.save()
    lead = Lead(asked)
    choice = lead.get().split('<option value="')[2].split('"')[0]

    shown = lead.preview(system="New", replaces=choice)

    assert "Old (1 items)" in shown and "Run 2 lines" in shown


def test_a_queue_of_single_answers_gets_a_pair_queue_beside_it():
    asked = two_models({"curation": ASKED, "curation_mode": "single"})

    Lead(asked).send(system="Be brief.")
    answer_all()

    beside = Queue.objects.get(name=f"{ASKED} before and after")
    assert beside.mode == "pair" and beside.tasks.count() == 4


def test_a_corrected_prompt_stays_in_its_originals_split():
    asked = two_models()
    Item.objects.update(split_lock="test")

    Lead(asked).send(system="Be brief.")
    answer_all()

    assert set(Item.objects.values_list("split_lock", flat=True)) == {"test"}


def test_reviewers_see_what_was_changed_in_the_prompt():
    asked = two_models()
    Lead(asked).send(system="Be brief.")
    answer_all()
    Task.objects.filter(queue=asked).exclude(
        reasons__0="before and after a correction"
    ).update(state="void")
    desk = Desk(asked)

    review = desk.next()

    assert review is not None
    assert "The prompt was corrected" in desk.html
    assert "<ins>system: Be brief." in desk.html
    assert "stub" not in desk.html


def test_a_vote_on_before_and_after_counts_as_a_change():
    asked = two_models()
    lead = Lead(asked)
    lead.send(system="Be brief.")
    answer_all()
    new = Candidate.objects.filter(parent__isnull=False)
    Task.objects.filter(queue=asked).exclude(item__in=new.values("item")).update(
        state="void"
    )
    desk = Desk(asked)
    review = desk.next()
    assert review is not None
    side = review.shown_order.index(max(review.shown_order))
    assert desk.submit(review, side=side).status_code == 200

    found = lead.client.get(f"/admin/review/{asked.pk}/numbers.json").json()

    assert [one["record"]["wins"] for one in found["changes"]] == [1]


def test_the_page_lists_what_was_sent():
    lead = Lead(two_models())

    page = lead.send(system="Be brief.").content.decode()

    assert "Sent so far" in page and "validating" in page
    assert "4 answers are asked for again" in page


@pytest.mark.parametrize(("role", "status"), [("reviewer", 403), ("lead", 200)])
def test_only_leads_correct(role, status):
    lead = Lead(two_models(), role)

    response = lead.send(system="Be brief.")

    assert response.status_code == status
    assert Rerun.objects.exists() == (status == 200)


@pytest.mark.parametrize("items", ["999999", "x", "1" * 40, "-1", "0", "\0"])
def test_strange_items_are_no_items(items):
    lead = Lead(two_models())

    response = lead.client.get(lead.url(), {"items": items})

    assert response.status_code in (200, 404)


def test_an_unchanged_item_is_not_sent():
    asked = two_models()
    item = Item.objects.first()
    assert item is not None
    text = item.input["messages"][0]["content"]

    page = Lead(asked).send(item.pk, **{"text-0": text}).content.decode()

    assert "Change a text first" in page and not Rerun.objects.exists()


def test_the_item_page_leads_to_its_queue():
    asked = two_models()
    lead = Lead(asked)
    lead.user.is_superuser = True
    lead.user.save()
    item = Item.objects.first()
    assert item is not None

    page = lead.client.get(f"/admin/vllm_curation/item/{item.pk}/change/")
    found = lead.client.get(f"/admin/review/correct/?items={item.pk}")

    assert "Correct and run again" in page.content.decode()
    assert found["Location"] == lead.url(item.pk)


def test_selected_items_are_corrected_from_the_admins_list():
    asked = two_models()
    lead = Lead(asked)
    lead.user.is_superuser = True
    lead.user.save()
    ids = list(Item.objects.order_by("pk").values_list("pk", flat=True))

    data = {"action": "correct", "_selected_action": ids}
    found = lead.client.post("/admin/vllm_curation/item/", data, follow=True)

    assert "2 items of which is better" in found.content.decode()


def test_a_retry_of_failed_lines_meets_there_too():
    asked = two_models()
    item = Item.objects.get(input__messages__0__content="ECHO one")
    Lead(asked).send(item.pk, **{"text-0": "HTTP 400"})
    rerun = answer_all()[0]
    assert not Candidate.objects.filter(parent__isnull=False).exists()
    assert rerun.batch is not None

    child = retried(rerun.batch)
    attend(child.pk)
    child.refresh_from_db()
    handled(run(child, outcome(chat("better"))))

    (new,) = Candidate.objects.filter(parent__isnull=False)
    assert (new.text, new.batch_id, new.model) == ("better", child.pk, rerun.model)
    assert Task.objects.filter(queue=asked, item=new.item).count() == 1
