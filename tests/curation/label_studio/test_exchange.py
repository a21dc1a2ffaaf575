"""What happens by itself: hints, the periodic exchange, the admin."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.core.exceptions import ImproperlyConfigured
from django.test import Client
from django_q.models import OrmQ

from accounts.models import Project
from batches.handlers.running import run_next
from batches.sweeping import ring_label_studio
from curation.label_studio.tasks import exchange, push
from curation.models import LabelStudioProject, Queue, Review
from tests.curation.label_studio.cast import make_batch_of, push_all, queue, verdict
from tests.curation.label_studio.server import Server
from vllm_batch.environment import read_environment
from vllm_batch.lib.clock import database_now

pytestmark = pytest.mark.django_db
SECRET = "a secret of sixteen"
HOOK = "/v1/label_studio/hook"
TASK = "curation.label_studio.tasks.exchange"


@pytest.fixture
def row(server: Server, project: Project) -> LabelStudioProject:
    """A queue of two tasks that lies in Label Studio and was pulled a moment ago."""
    for model in ("red", "blue"):
        make_batch_of(project, model, 2)
    push_all()
    exchange()
    OrmQ.objects.all().delete()
    return LabelStudioProject.objects.get()


def rung() -> int:
    return sum(q.func() == TASK for q in OrmQ.objects.all())


def post(client: Client, body: Any, secret: str | None = SECRET) -> Any:
    headers = {"X-Label-Studio-Secret": secret} if secret is not None else {}
    return client.post(HOOK, body, content_type="application/json", headers=headers)


def test_a_hint_asks_for_one_pull(client: Client, row: LabelStudioProject):
    event = {"action": "ANNOTATION_CREATED", "project": {"id": row.remote_id}}

    assert [post(client, event).status_code for _ in range(5)] == [204] * 5

    assert rung() == 1


def test_a_hint_brings_the_annotation(
    client: Client, server: Server, row: LabelStudioProject
):
    server.annotate(server.tasks[1], verdict("Tie"))
    exchange()
    assert not Review.objects.exists()

    post(client, {"project": {"id": row.remote_id}})
    exchange()

    assert Review.objects.get().outcome == "tie"


@pytest.mark.parametrize("secret", [None, "", "wrong", "a secret of sixteeN", "é" * 16])
def test_a_wrong_secret_is_refused(
    client: Client, row: LabelStudioProject, secret: str | None
):
    response = post(client, {"project": {"id": row.remote_id}}, secret)

    assert response.status_code == 401
    assert response.json()["error"]["type"] == "invalid_request_error"
    assert rung() == 0


def test_without_a_secret_there_is_no_such_route(
    client: Client, row: LabelStudioProject, configure: Any
):
    configure(LABEL_STUDIO_HOOK_SECRET="")

    assert post(client, {}, "").status_code == 404


@pytest.mark.parametrize(
    "event",
    [{}, [], {"project": 1}, {"project": {"id": True}}, {"project": {"id": "1"}}]
    + [{"project": {"id": n}} for n in (-1, 0, 999, 2**63, 2**200, 1.5)],
)
def test_hints_about_nothing_of_ours(
    client: Client, row: LabelStudioProject, event: Any
):
    assert post(client, event).status_code == 204
    assert rung() == 0


def test_what_is_no_json_is_refused(client: Client, row: LabelStudioProject):
    assert post(client, "{").status_code == 400


def test_nothing_is_asked_before_it_is_due(server: Server, row: LabelStudioProject):
    server.calls.clear()

    exchange()

    assert server.calls == []


def test_what_is_due_is_pulled(server: Server, row: LabelStudioProject):
    server.annotate(server.tasks[1], verdict("Tie"))
    long_ago = database_now() - timedelta(hours=1)
    LabelStudioProject.objects.update(pulled_at=long_ago)

    exchange()

    assert Review.objects.count() == 1


def test_a_server_that_is_away_is_asked_again_later(
    server: Server, row: LabelStudioProject
):
    server.annotate(server.tasks[1], verdict("Tie"))
    long_ago = database_now() - timedelta(hours=1)
    LabelStudioProject.objects.update(pulled_at=long_ago)
    server.faults.append(("GET", "/api/tasks", "before"))

    exchange()
    row.refresh_from_db()
    assert "does not answer" in row.last_error

    LabelStudioProject.objects.update(pulled_at=long_ago)
    exchange()
    row.refresh_from_db()
    assert (row.last_error, Review.objects.count()) == ("", 1)


def test_the_sweeper_rings_only_if_there_is_a_label_studio(
    server: Server, configure: Any
):
    assert ring_label_studio()
    assert rung() == 1

    configure(LABEL_STUDIO_TOKEN="")
    assert ring_label_studio()
    assert rung() == 1


def test_with_all_queues_the_tag_of_curation_is_enough(
    server: Server, project: Project, configure: Any
):
    configure(LABEL_STUDIO_QUEUES="all")
    make_batch_of(
        project, "red", label_studio="", curation="mine", curation_mode="single"
    )

    assert run_next("label_studio")

    assert len(server.tasks) == 3


@pytest.fixture
def admin(db: None) -> Client:
    """The admin's front door, open."""
    get_user_model().objects.create_superuser("root", "root@example.com", "pw")
    client = Client()
    client.login(username="root", password="pw")
    return client


def test_the_admin_begins_to_copy_a_queue(
    server: Server, project: Project, admin: Client
):
    make_batch_of(
        project, "red", label_studio="", curation="mine", curation_mode="single"
    )
    while run_next("curation"):
        pass
    page = "/admin/vllm_curation/labelstudioproject/add/"

    admin.post(page, {"queue": Queue.objects.get(name="mine").pk})
    assert rung() == 1
    exchange()

    assert len(server.tasks) == 3


@pytest.mark.parametrize(
    ("action", "task"),
    [("push_again", "curation.label_studio.tasks.push"), ("pull_now", TASK)],
)
def test_the_admin_pushes_and_pulls(
    row: LabelStudioProject, admin: Client, action: str, task: str
):
    page = "/admin/vllm_curation/labelstudioproject/"

    response = admin.post(page, {"action": action, "_selected_action": [row.pk]})

    assert response.status_code == 302
    assert [entry.func() for entry in OrmQ.objects.all()] == [task]
    push(queue().pk)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LABEL_STUDIO_URL", "labels.example.com"),
        ("LABEL_STUDIO_URL", "https://user:pw@labels.example.com"),
        ("LABEL_STUDIO_URL", "https://labels.example.com/?a=b"),
        ("LABEL_STUDIO_TOKEN", "two words"),
        ("LABEL_STUDIO_HOOK_SECRET", "short"),
        ("LABEL_STUDIO_QUEUES", "some"),
        ("LABEL_STUDIO_PULL_SECONDS", "1"),
    ],
)
def test_bad_settings_stop_the_start_and_tell_no_secret(
    monkeypatch: Any, name: str, value: str
):
    monkeypatch.setenv(name, value)

    with pytest.raises(ImproperlyConfigured, match=name) as stop:
        read_environment()

    assert name.endswith(("TOKEN", "SECRET")) is (value not in str(stop.value))
