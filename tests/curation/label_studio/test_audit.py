"""What leaves for Label Studio, and who sent it, is in the audit log."""

from typing import Any

from django.core.management import call_command

from accounts.models import Project
from curation.models import LabelStudioProject, Task
from tests.curation.audit.log import ADMIN, permitted, said
from tests.curation.label_studio.cast import (
    ALICE,
    QUEUE,
    candidate,
    gold,
    make_batch_of,
    pull,
    push_all,
    verdict_for,
)
from tests.curation.label_studio.cast import queue as copied
from tests.curation.label_studio.server import Server


def test_the_handler_and_the_command_note_what_they_copy(
    server: Server, project: Project
):
    for model in ("red", "blue"):
        make_batch_of(project, model, 2)
    push_all()
    make_batch_of(project, "green", 2, label_studio="", curation=QUEUE)
    call_command("import_results", project.batches.latest("pk").pk, queue=QUEUE)
    call_command("push_label_studio", project=project.name, queue=QUEUE)

    scope = LabelStudioProject.objects.get().scope
    rows = said("copied_out")
    assert rows[0] == ("server", "copied_out", f"2 tasks to {scope}")
    assert all(name == "shell" for name, *_ in rows[1:])


def test_a_lead_begins_repeats_and_ends_the_copying(server: Server, project: Project):
    make_batch_of(project, "red", 1)
    make_batch_of(project, "blue", 1)
    push_all()
    LabelStudioProject.objects.all().delete()
    lead = permitted(project, username="lea")
    url = f"{ADMIN}labelstudioproject/"

    lead.post(f"{url}add/", {"queue": copied().pk})
    row = LabelStudioProject.objects.get()
    lead.post(url, {"action": "push_again", "_selected_action": [row.pk]})
    lead.post(f"{url}{row.pk}/delete/", {"post": "yes"})

    mine = [one for one in said("copied_out", "deleted") if one[0] == "lea"]
    assert mine == [
        ("lea", "copied_out", f"begins, to {server.url}"),
        ("lea", "copied_out", f"again, changes included, to {server.url}"),
        ("lea", "deleted", ""),
    ]


def test_a_star_that_comes_from_there_is_its_authors(
    server: Server, pair: Task, remote: dict[str, Any]
):
    winner = candidate(pair, "red")
    server.annotate(remote, verdict_for(remote, winner), gold())

    pull()

    assert said("gold_set") == [(ALICE, "gold_set", "")]
