"""Curation's lists in the admin, and the actions that begin something there."""

from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django_q.models import OrmQ

from accounts.models import Membership
from batches.models import BatchJob
from curation.models import Candidate, Comparison, Item, JudgeRun, Queue, Task
from tests.curation.answered import counts, ended, handled, queue, two_models
from tests.factories import make_model, make_project

pytestmark = pytest.mark.django_db
BATCHES = "/admin/vllm_batches/batchjob/"
LISTS = ("item", "candidate", "task", "comparison", "queue", "judgerun")


def address(name: str) -> str:
    return f"/admin/vllm_curation/{name}/"


def act(client: Client, url: str, action: str, *rows: Any) -> Any:
    form = {"action": action, "_selected_action": [row.pk for row in rows]}
    return client.post(url, form, follow=True)


@pytest.mark.parametrize("name", LISTS)
def test_each_list_is_shown(admin_client, name):
    two_models()

    assert admin_client.get(address(name)).status_code == 200


@pytest.mark.parametrize("model", [Item, Candidate, Task, Queue])
def test_each_row_has_a_page(admin_client, model):
    two_models()
    row = model.objects.first()

    url = f"{address(model._meta.model_name)}{row.pk}/change/"

    assert admin_client.get(url).status_code == 200


@pytest.mark.parametrize("name", ["item", "candidate", "task", "judgerun"])
def test_what_machines_write_is_read_only(admin_client, name):
    assert admin_client.get(f"{address(name)}add/").status_code == 403


def test_reasons_are_shown(admin_client):
    two_models()

    assert "the answers differ" in admin_client.get(address("task")).content.decode()


def test_a_lead_sees_their_projects_rows_only(client, django_user_model):
    project = two_models()
    two_models()
    user = django_user_model.objects.create_user("bob", password="x", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    client.force_login(user)

    def seen(name: str) -> int:
        return len(client.get(address(name)).context["cl"].result_list)

    assert [seen(name) for name in LISTS[:3]] == [0, 0, 0]
    Membership.objects.create(user=user, project=project, role="lead")
    assert [seen(name) for name in LISTS[:3]] == [2, 4, 2]


def test_ended_batches_are_sent_to_curation(admin_client):
    project = make_project()
    one = ended({"One?": "Yes."}, project, metadata=None)
    two = ended({"One?": "No."}, project, model="other", metadata=None)

    page = act(admin_client, BATCHES, "send_to_curation", one, two)
    assert one.pk in page.content.decode()
    url = page.redirect_chain[-1][0]
    admin_client.post(url, {"queue": "q", "mode": ""})
    handled(one, two)

    assert counts() == (1, 2, 1) and queue().name == "q"


def test_batches_of_two_projects_are_not_sent_together(admin_client):
    one, two = ended({"One?": "Yes."}), ended({"One?": "Yes."})

    url = act(admin_client, BATCHES, "send_to_curation", one, two).redirect_chain[-1][0]
    page = admin_client.post(url, {"queue": "q"}).content.decode()

    assert "one project" in page and not Comparison.objects.filter(name="q").exists()


def test_a_judge_is_started_from_the_queue(admin_client):
    two_models()
    make_model("judge")

    page = act(admin_client, address("queue"), "judge", queue())
    url = page.redirect_chain[-1][0]
    assert "judge" in page.content.decode()
    admin_client.post(url, {"model": "judge", "instructions": "Be strict."})

    assert JudgeRun.objects.get().instructions == "Be strict."
    assert "no pair queue" not in page.content.decode()


def test_the_page_of_a_judge_says_why_not(admin_client):
    two_models()
    make_model("judge")
    Task.objects.all().delete()

    url = f"{address('queue')}{queue().pk}/judge/"
    page = admin_client.post(url, {"model": "judge"}).content.decode()

    assert "there is none" in page and not BatchJob.objects.filter(judge_run=1).exists()


def test_near_duplicates_are_looked_for_on_demand(admin_client):
    two_models()
    OrmQ.objects.all().delete()

    act(admin_client, address("item"), "find_families", *Item.objects.all())

    assert [q.func() for q in OrmQ.objects.all()] == [
        "curation.ordering.tasks.find_families"
    ]


def test_a_queue_is_closed_and_never_deleted(admin_client):
    two_models()

    url = f"{address('queue')}{queue().pk}/delete/"

    assert admin_client.post(url, {"post": "yes"}).status_code == 403
