"""The log itself: whole or not at all, seen by leads, changed by nobody."""

import re

import pytest
from django.db import transaction
from django.test import Client

from accounts.models import Membership, Project
from curation.audit.recording import SHELL, record
from curation.models import AuditEvent
from curation.models.audit_event import Action, NeverChanged
from tests.curation.audit.log import ADMIN, permitted, said, signed_in
from tests.curation.review.desk import make_person, make_queue, make_task
from tests.factories import make_project
from tests.rig.process import ROOT

LIST = f"{ADMIN}auditevent/"


def note(project: Project, detail: str = "") -> AuditEvent:
    with transaction.atomic():
        record(
            Action.CLUSTERED, SHELL, project, project_id=project.pk, detail=detail
        )  # fmt: skip
    return AuditEvent.objects.latest("pk")


def details(client: Client, **asked: str) -> set[str]:
    response = client.get(LIST, asked)
    assert response.status_code == 200
    return {row.detail for row in response.context["cl"].result_list}


@pytest.mark.django_db(transaction=True)
def test_an_act_that_fails_leaves_no_row_and_a_row_that_fails_no_act():
    project = make_project("ours")
    lead = permitted(project)
    item = make_task(make_queue(project)).item
    form = {"action": "lock_to_test", "_selected_action": [item.pk]}

    with pytest.raises(RuntimeError), transaction.atomic():
        lead.post(f"{ADMIN}item/", form)
        assert len(said()) == 1
        raise RuntimeError
    item.refresh_from_db()
    assert (item.split_lock, said()) == ("", [])

    with pytest.raises(AssertionError, match="stand or fall"):
        record(Action.CLUSTERED, SHELL, project, project_id=project.pk)


@pytest.mark.django_db
def test_no_row_is_changed_or_deleted_by_code():
    event = note(make_project())

    for change in (
        lambda: AuditEvent.objects.update(detail="x"),
        lambda: AuditEvent.objects.all().delete(),
        lambda: AuditEvent.objects.bulk_update([event], ["detail"]),
        event.save,
        event.delete,
    ):
        with pytest.raises(NeverChanged):
            change()
    assert AuditEvent.objects.get().detail == ""


@pytest.mark.django_db
def test_a_superuser_reads_and_changes_nothing():
    event = note(make_project(), "a detail")
    root = signed_in(make_person(is_superuser=True))
    page = f"{LIST}{event.pk}/"

    assert details(root) == {"a detail"}
    assert root.get(f"{page}change/").status_code == 200
    for path in (f"{page}change/", f"{page}delete/", f"{LIST}add/"):
        assert root.post(path, {"detail": "x", "post": "yes"}).status_code == 403
    form = {"action": "delete_selected", "_selected_action": [event.pk], "post": "yes"}
    root.post(LIST, form)
    assert AuditEvent.objects.get().detail == "a detail"


@pytest.mark.django_db
def test_leads_see_their_own_projects_rows():
    ours, theirs = make_project("ours"), make_project("theirs")
    note(ours, "ours"), note(theirs, "theirs")

    client = permitted(ours)

    assert details(client) == {"ours"}
    assert "theirs" not in client.get(LIST).content.decode()
    assert details(permitted(ours, "reviewer")) == set()


@pytest.mark.django_db
def test_it_is_filtered_by_person_action_and_project():
    ours, theirs = make_project("ours"), make_project("theirs")
    ann = make_person(ours, "admin", username="ann")
    note(ours, "by the shell"), note(theirs, "elsewhere")
    client = permitted(ours, "admin")
    Membership.objects.create(project=theirs, user=make_person(), role="lead")
    AuditEvent.objects.create(
        actor=ann, actor_name="ann", action="frozen", project=ours, detail="by ann"
    )
    root = signed_in(make_person(is_superuser=True))

    assert details(root, actor__id__exact=str(ann.pk)) == {"by ann"}
    assert details(root, action__exact="clustered") == {"by the shell", "elsewhere"}
    assert details(root, project__id__exact=str(ours.pk)) == {"by the shell", "by ann"}
    assert details(client, q="ann") == {"by ann"}


@pytest.mark.django_db
def test_a_row_outlives_the_account_and_the_item():
    project = make_project()
    ann = make_person(project, "lead", username="ann")
    task = make_task(make_queue(project))
    AuditEvent.objects.create(
        actor=ann, actor_name="ann", action="frozen", project=project, item=task.item
    )

    ann.delete()
    task.item.delete()

    event = AuditEvent.objects.get()
    assert (event.actor, event.item, event.actor_name) == (None, None, "ann")


def test_the_documentation_names_each_action():
    page = (ROOT / "docs" / "reference" / "audit.md").read_text()

    assert re.findall(r"^\| `(\w+)` \|", page, flags=re.M) == Action.values
