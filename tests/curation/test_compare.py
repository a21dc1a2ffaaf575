"""One file on several models, from the shell and from the admin."""

import json
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command

from accounts.models import Membership, Project
from batches.models import BatchJob
from batches.tasks import attend
from curation.models import Candidate, Comparison, Queue, Task
from files.models import File
from tests.batches.ending import content
from tests.curation.answered import counts, handled
from tests.factories import jsonl, line, make_file, make_model, make_project
from tests.workers.runs import run as run_engine
from workers.engines.stub import StubEngine

ADD = "/admin/vllm_curation/comparison/add/"
LINES = (line("a", "ECHO One"), "", line("b", "Two", temperature=0.5))


@pytest.fixture
def project(db) -> Project:
    make_model("stub")
    make_model("other")
    return make_project("ours")


def started(project: Project, *lines: Any, **options: Any) -> Comparison:
    file = make_file(jsonl(*(lines or LINES)), project)
    options = {"models": ["stub", "other"], "queue": "q", **options}
    call_command("compare", file.pk, **options)
    return Comparison.objects.get()


@pytest.mark.django_db(transaction=True)
def test_the_answers_become_tasks_by_themselves(project):
    comparison = started(project)

    for batch in comparison.batches.all():
        attend(batch.pk)
    for name in ("stub", "other"):
        run_engine(StubEngine(model=name, source="", engine_args={}))
    for batch in comparison.batches.all():
        attend(batch.pk)
    handled(*comparison.batches.all())

    assert counts() == (2, 4, 2)
    assert sorted(Candidate.objects.values_list("line", flat=True)) == [1, 1, 3, 3]


def test_each_model_gets_a_copy_of_the_lines(project):
    comparison = started(project)

    copies = {}
    for batch in comparison.batches.all():
        rows = content(batch.input_file_id).split(b"\n")
        copies[json.loads(rows[0])["body"]["model"]] = rows
    assert set(copies) == {"stub", "other"}
    one, other = copies["stub"], copies["other"]
    assert one[1] == other[1] == b"" and len(one) == len(other) == 4
    changed = [row.replace(b'"stub"', b'"other"') for row in one]
    assert changed == other


def test_unreadable_lines_are_left_to_validation(project):
    comparison = started(project, line("a"), "{oops")

    for batch in comparison.batches.all():
        attend(batch.pk)

    assert set(comparison.batches.values_list("status", flat=True)) == {"failed"}
    errors: list[Any] = list(comparison.batches.values_list("errors", flat=True))
    assert {found["data"][0]["line"] for found in errors} == {2}


def test_a_file_on_this_machine_will_do(project, tmp_path):
    path = tmp_path / "in.jsonl"
    path.write_bytes(jsonl(*LINES))

    call_command("compare", str(path), models=["stub"], queue="q", project="ours")

    assert Comparison.objects.get().batches.count() == 1
    with pytest.raises(CommandError, match="--project"):
        call_command("compare", str(path), models=["stub"], queue="q")


def test_a_second_comparison_in_the_queue_has_a_name_of_its_own(project):
    started(project)
    file = make_file(jsonl(*LINES), project)

    call_command("compare", file.pk, models=["stub"], queue="q")

    names = Comparison.objects.order_by("pk").values_list("name", flat=True)
    assert list(names) == ["q", "q (2)"] and Queue.objects.count() == 1


@pytest.mark.parametrize(
    ("items", "options", "why"),
    [
        (LINES, {"models": ["stub", "nobody"]}, "not served"),
        (LINES, {"queue": "x" * 101}, "1 to 100"),
        (LINES, {"models": [f"m{n}" for n in range(21)]}, "1 to 20"),
        (("no", "batch"), {}, "no batch file"),
        (('{"url": "/v1/embeddings"}',), {}, "no answers"),
        (('{"url": 7}', '{"url": "/nope"}'), {}, "no batch file"),
    ],
)
def test_a_refusal_leaves_nothing_behind(project, storage, items, options, why):
    with pytest.raises(CommandError, match=why):
        started(project, *items, **options)

    assert not BatchJob.objects.exists() and not Queue.objects.exists()
    stored = [path for path in (storage / "files").rglob("*") if path.is_file()]
    assert File.objects.count() == len(stored) == 1


def test_a_file_for_something_else_is_refused(project):
    file = make_file(jsonl(*LINES), project, purpose="evals")

    for file_id in (file.pk, "file-none"):
        with pytest.raises(CommandError):
            call_command("compare", file_id, models=["stub"], queue="q")


def form(**fields: Any) -> dict[str, Any]:
    return {"models": ["stub", "other"], "queue": "q", "mode": "", **fields}


def test_the_admin_compares_a_stored_file(admin_client, project):
    file = make_file(jsonl(*LINES), project)

    page = admin_client.post(ADD, form(file=file.pk), follow=True)

    assert page.status_code == 200 and "2 batches run" in page.content.decode()
    assert Comparison.objects.get().batches.count() == 2


def test_the_admin_compares_an_uploaded_file(admin_client, project):
    upload = SimpleUploadedFile("mine.jsonl", jsonl(*LINES))

    admin_client.post(ADD, form(upload=upload, project=project.pk), follow=True)

    names = set(File.objects.values_list("filename", flat=True))
    assert names == {"stub mine.jsonl", "other mine.jsonl"}


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({}, "Choose a file, or upload one"),
        ({"upload": True}, "Choose the project"),
        ({"file": "file-none"}, "Select a valid choice"),
        ({"models": ["nobody"], "file": ""}, "Select a valid choice"),
    ],
)
def test_the_form_says_what_is_missing(admin_client, project, fields, why):
    if fields.get("upload"):
        fields = {"upload": SimpleUploadedFile("mine.jsonl", jsonl(*LINES))}

    page = admin_client.post(ADD, form(**fields))

    assert why in page.content.decode() and not Comparison.objects.exists()


def test_the_page_shows_what_was_refused(admin_client, project):
    file = make_file(b"no batch\n", project)

    page = admin_client.post(ADD, form(file=file.pk)).content.decode()

    assert "no batch file" in page


def staff(client, django_user_model, *codenames: str) -> Any:
    user = django_user_model.objects.create_user("bob", password="x", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    client.force_login(user)
    return user


def test_a_lead_sees_the_files_of_their_projects_only(
    client, django_user_model, project
):
    user = staff(client, django_user_model, "add_comparison", "view_comparison")
    Membership.objects.create(user=user, project=project, role="lead")
    make_file(jsonl(*LINES), project, filename="ours.jsonl")
    foreign = make_file(jsonl(*LINES), filename="theirs.jsonl")

    page = client.get(ADD).content.decode()

    assert "ours.jsonl" in page and "theirs.jsonl" not in page
    client.post(ADD, form(file=foreign.pk))
    assert not Comparison.objects.exists()


def test_a_reviewer_starts_nothing(client, django_user_model, project):
    user = staff(client, django_user_model, "add_comparison", "view_comparison")
    Membership.objects.create(user=user, project=project)
    file = make_file(jsonl(*LINES), project)

    client.post(ADD, form(file=file.pk))

    assert not Comparison.objects.exists() and not Task.objects.exists()
