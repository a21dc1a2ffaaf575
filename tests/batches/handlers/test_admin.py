"""Runs, endpoints and deliveries in the admin, and the command."""

from io import StringIO
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.admin.utils import quote
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from batches.handlers.running import run_next
from batches.models import HandlerRun, WebhookDelivery, WebhookEndpoint
from tests.batches.ending import GOOD, make_ended
from tests.batches.handlers.cast import EVENTS, Fake, make_endpoint, run_of
from tests.factories import make_batch, make_project
from tests.rig.receiver import receiving

pytestmark = pytest.mark.django_db
ADMIN = "/admin/vllm_batches/"
ENDPOINTS, DELIVERIES = f"{ADMIN}webhookendpoint/", f"{ADMIN}webhookdelivery/"
RUNS = f"{ADMIN}handlerrun/"


def form(**fields: Any) -> dict[str, Any]:
    defaults = {"name": "ours", "url": "https://a.example/", "event_types": EVENTS}
    return {**defaults, "is_enabled": "on", **fields}


def act(client: Any, path: str, action: str, row: Any) -> str:
    data = {"action": action, "_selected_action": [row.pk]}
    response = client.post(path, data, follow=True)
    text: str = response.content.decode()
    return text


def dead_run() -> HandlerRun:
    batch = make_ended(GOOD)
    HandlerRun.objects.filter(batch=batch).update(status="dead", attempts=7)
    return run_of(batch)


def test_adding_an_endpoint_shows_its_secret_once(admin_client):
    project = make_project()

    page = admin_client.post(f"{ENDPOINTS}add/", form(project=project.pk), follow=True)

    endpoint = WebhookEndpoint.objects.get()
    assert endpoint.secret in page.content.decode()
    assert (endpoint.project, endpoint.event_types) == (project, EVENTS)
    pages = [
        admin_client.get(ENDPOINTS),
        admin_client.get(f"{ENDPOINTS}{quote(endpoint.pk)}/change/"),
    ]
    assert not any(endpoint.secret in page.content.decode() for page in pages)
    assert not any(endpoint.secret in str(row) for row in LogEntry.objects.values())


def test_a_url_that_cannot_be_sent_to_is_refused(admin_client):
    data = form(project=make_project().pk, url="https://10.0.0.1/")

    page = admin_client.post(f"{ENDPOINTS}add/", data)

    assert "WEBHOOK_ALLOWED_HOSTS" in page.content.decode()
    assert not WebhookEndpoint.objects.exists()


def test_changing_one_keeps_its_project_and_secret(admin_client):
    endpoint = make_endpoint()
    data = form(name="new", project=make_project().pk)
    data.pop("is_enabled")

    admin_client.post(f"{ENDPOINTS}{quote(endpoint.pk)}/change/", data)

    changed = WebhookEndpoint.objects.get()
    assert (changed.name, changed.is_enabled) == ("new", False)
    assert (changed.project, changed.secret) == (endpoint.project, endpoint.secret)


def test_deleting_one_keeps_its_row_without_secrets(admin_client):
    endpoint = make_endpoint()
    make_ended(GOOD, project=endpoint.project)
    run_next("webhook")

    path = f"{ENDPOINTS}{quote(endpoint.pk)}/delete/"
    admin_client.post(path, {"post": "yes"})

    kept = WebhookEndpoint.objects.get()
    assert kept.deleted_at and not kept.secret
    assert WebhookDelivery.objects.get().status == "dead"
    admin_client.get(ENDPOINTS)  # shows the message about it
    assert endpoint.pk not in admin_client.get(ENDPOINTS).content.decode()


def test_rotating_shows_the_new_secret(admin_client):
    endpoint = make_endpoint()

    page = act(admin_client, ENDPOINTS, "rotate", endpoint)

    changed = WebhookEndpoint.objects.get()
    assert changed.secret != endpoint.secret == changed.old_secret
    assert changed.secret in page


def test_a_test_event_can_be_sent(admin_client, loopback):
    with receiving(418) as receiver:
        page = act(
            admin_client, ENDPOINTS, "send_test", make_endpoint(url=receiver.url)
        )

    assert "answered 418" in page and len(receiver.posts) == 1


def test_a_test_without_an_answer_says_so(admin_client):
    endpoint = make_endpoint()
    WebhookEndpoint.objects.update(url="https://10.0.0.1/")

    assert "gave no answer" in act(admin_client, ENDPOINTS, "send_test", endpoint)


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({}, "well"),
        ({"failures_in_row": 3}, "failed 3 times in a row"),
        ({"is_enabled": False, "disabled_reason": "It answered 410."}, "answered 410"),
    ],
)
def test_the_list_says_how_sending_goes(admin_client, fields, text):
    make_endpoint(**fields)

    assert text in admin_client.get(ENDPOINTS).content.decode()


def test_a_delivery_is_sent_again(admin_client):
    endpoint = make_endpoint()
    make_ended(GOOD, project=endpoint.project)
    run_next("webhook")
    WebhookDelivery.objects.update(status="succeeded", attempts=1)

    page = act(admin_client, DELIVERIES, "replay", WebhookDelivery.objects.get())

    assert "1 deliveries were queued" in page
    assert WebhookDelivery.objects.get().status == "pending"


def test_a_run_is_run_again(admin_client):
    run = dead_run()

    page = act(admin_client, RUNS, "replay", run)

    run.refresh_from_db()
    assert "1 runs were queued" in page and run.status == "pending"


def test_the_lists_need_no_query_a_row(admin_client):
    def queries() -> int:
        make_ended(GOOD)
        with CaptureQueriesContext(connection) as seen:
            admin_client.get(RUNS)
        return len(seen)

    queries()
    assert queries() == queries()


def replay(*arguments: str, **options: Any) -> str:
    out = StringIO()
    call_command("replay_handlers", *arguments, stdout=out, **options)
    return out.getvalue()


def test_the_command_replays_dead_letters():
    run = dead_run()

    assert replay(handler="fake") == "1 handler runs were queued.\n"

    run.refresh_from_db()
    assert (run.status, run.attempts) == ("pending", 0)


def test_the_command_replays_all_of_a_batch():
    batch = make_ended(GOOD)
    run_next("fake")

    replay(batch.pk)

    assert run_next("fake") and len(Fake.calls) == 2
    assert HandlerRun.objects.filter(batch=batch, handler="webhook").exists()


def test_the_command_leaves_other_dead_letters():
    dead_run()

    assert (
        replay(make_ended(GOOD).pk, handler="fake") == "1 handler runs were queued.\n"
    )


def test_the_command_knows_its_handlers():
    with pytest.raises(CommandError, match="There are: fake, other, webhook"):
        replay(handler="nope")


def test_the_command_wants_batches_that_ended():
    for batch_id in (make_batch().pk, "batch_none"):
        with pytest.raises(CommandError, match="has ended"):
            replay(batch_id)
