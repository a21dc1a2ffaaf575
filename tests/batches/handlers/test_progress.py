"""Milestones: each is told once to whoever wants it, from counters that are there."""

import json
import threading
from typing import Any

import openai
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django_q.models import OrmQ

from batches.handlers.running import run_next
from batches.handlers.webhook import progress
from batches.handlers.webhook.delivering import deliver_next
from batches.models import BatchJob, HandlerRun, WebhookDelivery
from batches.sweeping import sweep
from batches.tasks import tell_progress
from tests.batches.ending import GOOD, LIMITED, commit, end
from tests.batches.handlers.cast import EVENTS, make_endpoint
from tests.factories import lines, make_running_batch
from tests.rig.receiver import receiving

pytestmark = pytest.mark.django_db
PROGRESS = "batch.progress"
client = openai.OpenAI(api_key="none", base_url="http://127.0.0.1:9")


def make_running(count: int = 8, **fields: Any) -> BatchJob:
    """Make a running batch whose project has an endpoint for progress alone."""
    endpoint = make_endpoint(event_types=[PROGRESS], **fields)
    return make_running_batch(*lines(count), project=endpoint.project)


def advance(batch: BatchJob, *indexes: int, outcome: Any = GOOD) -> None:
    """Let these lines end, as a worker does."""
    commit(batch, dict.fromkeys(indexes, outcome), sequence=indexes[0] + 1)


def told() -> list[int]:
    """Return the milestones that deliveries were made of, in their order."""
    bodies = WebhookDelivery.objects.filter(event_type=PROGRESS).order_by("pk")
    return [json.loads(row.body)["data"]["percent"] for row in bodies]


def test_each_milestone_is_told_once_and_only_when_it_is_reached():
    batch = make_running(8)
    seen = []
    for index in range(7):
        advance(batch, index)
        tell_progress()
        tell_progress()
        seen.append(told())

    assert seen == [[], [25], [25], [25, 50], [25, 50], [25, 50, 75], [25, 50, 75]]


def test_lines_that_failed_count_as_well():
    batch = make_running(8)
    advance(batch, 0, outcome=GOOD)
    advance(batch, 1, outcome=LIMITED)

    tell_progress()

    assert told() == [25]


def test_milestones_that_are_passed_at_once_are_each_told():
    batch = make_running(8)
    advance(batch, 0, 1, 2, 3, 4)

    tell_progress()

    assert told() == [25, 50]


def test_a_batch_that_ends_before_anybody_looked_is_told_of_at_its_end():
    batch = make_running(4)
    advance(batch, 0, 1)
    tell_progress()
    advance(batch, 2, 3)
    end(batch)

    tell_progress()
    assert told() == [25, 50]
    run_next("webhook")
    HandlerRun.objects.filter(handler="webhook").update(status="pending")
    run_next("webhook")

    assert told() == [25, 50, 75]


def test_a_cancelled_batch_is_told_of_as_far_as_it_came():
    batch = make_running(4)
    advance(batch, 0, 1)
    BatchJob.objects.update(status="cancelling")
    end(batch)

    run_next("webhook")

    assert told() == [25, 50]


def test_those_who_did_not_ask_hear_nothing():
    endpoint = make_endpoint(event_types=EVENTS)
    make_endpoint(event_types=[PROGRESS])
    make_endpoint(endpoint.project, event_types=[PROGRESS], is_enabled=False)
    batch = make_running_batch(*lines(4), project=endpoint.project)
    advance(batch, 0, 1)

    tell_progress()
    end(batch)
    run_next("webhook")

    assert told() == []


def test_each_endpoint_that_asked_hears_it_under_an_id_of_its_own():
    batch = make_running(4)
    make_endpoint(batch.project, event_types=[*EVENTS, PROGRESS])
    advance(batch, 0)

    tell_progress()

    rows = list(WebhookDelivery.objects.all())
    assert len({row.webhook_id for row in rows}) == len(rows) == 2
    assert len({json.loads(row.body)["id"] for row in rows}) == 1


def test_an_endpoint_that_comes_later_hears_of_later_milestones():
    batch = make_running(8)
    advance(batch, 0, 1)
    tell_progress()
    late = make_endpoint(batch.project, event_types=[PROGRESS])
    advance(batch, 2, 3)

    tell_progress()

    assert [row.body.count('"percent":50') for row in late.deliveries.all()] == [1]


def test_the_client_verifies_it_and_keeps_its_type_and_data(loopback):
    with receiving(200) as receiver:
        batch = make_running(4, url=receiver.url)
        advance(batch, 0)
        tell_progress()
        row = WebhookDelivery.objects.get()
        deliver_next(row.endpoint_id)

    (post,) = receiver.posts
    event: Any = client.webhooks.unwrap(
        post.body, post.headers, secret=row.endpoint.secret
    )
    assert (event.type, event.object) == (PROGRESS, "event")
    assert (event.data.id, event.data.percent) == (batch.pk, 25)


def test_the_sweep_rings_for_it_while_there_is_something_to_tell():
    batch = make_running(4)
    advance(batch, 0)
    OrmQ.objects.all().delete()
    sweep()
    assert "batches.tasks.tell_progress" in [q.func() for q in OrmQ.objects.all()]

    tell_progress()
    OrmQ.objects.all().delete()
    sweep()
    assert "batches.tasks.tell_progress" not in [q.func() for q in OrmQ.objects.all()]


def test_looking_is_one_query(django_assert_num_queries):
    for _ in range(3):
        make_running(4)

    with django_assert_num_queries(1):
        assert not progress.waiting().exists()


def test_a_commit_of_results_knows_nothing_of_it():
    """The statements of a segment's commit are the same with and without listeners."""

    def statements(batch: BatchJob) -> list[str]:
        with CaptureQueriesContext(connection) as seen:
            advance(batch, 0, 1)
        return [query["sql"].split()[0] for query in seen.captured_queries]

    heard, unheard = make_running(4), make_running_batch(*lines(4))

    assert statements(heard) == statements(unheard)


@pytest.mark.django_db(transaction=True)
def test_many_who_look_at_once_tell_it_once():
    batch = make_running(4)
    advance(batch, 0, 1)
    faults: list[BaseException] = []
    start = threading.Barrier(4)

    def look() -> None:
        try:
            start.wait(10)
            progress.tell(batch.pk)
        except BaseException as error:  # noqa: BLE001 - the test shows it
            faults.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=look) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert (faults, told()) == ([], [25, 50])
