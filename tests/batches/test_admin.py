"""Batches and failed lines in the admin."""

from typing import Any

import pytest
from django.contrib.admin.utils import quote
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from batches.models import BatchJob, FailedRequest
from tests.batches.ending import (
    BROKEN,
    GOOD,
    LIMITED,
    REFUSED,
    content,
    ids,
    make_ended,
)
from tests.factories import make_batch
from vllm_batch.lib.clock import database_now

pytestmark = pytest.mark.django_db
BATCHES = "/admin/vllm_batches/batchjob/"
FAILED = "/admin/vllm_batches/failedrequest/"


def act(client: Client, url: str, action: str, *rows: Any) -> str:
    """Run an admin action on some rows, and return the page that follows."""
    selected = [row.pk for row in rows]
    form = {"action": action, "_selected_action": selected}
    return client.post(url, form, follow=True).content.decode()


def children(batch: BatchJob) -> list[BatchJob]:
    return list(batch.retries.all())


def test_the_list_says_why_a_batch_waits(admin_client):
    make_batch(status="in_progress", paused_reason="the disk is full")

    page = admin_client.get(BATCHES).content.decode()

    assert "The batch is paused: the disk is full" in page


def test_the_page_of_a_batch_says_so_too(admin_client):
    # Django's admin reads `_22` in an address as a quotation mark.
    details: Any = {"id": "batch_22", "paused_reason": "the disk is full"}
    batch = make_batch(status="in_progress", **details)

    page = admin_client.get(f"{BATCHES}{quote(batch.pk)}/change/").content.decode()

    assert "The batch is paused: the disk is full" in page
    assert "ready in" in page.lower()


def test_the_list_asks_as_often_for_many_batches_as_for_one(
    admin_client, django_assert_num_queries
):
    make_batch()
    with CaptureQueriesContext(connection) as queries:
        admin_client.get(BATCHES)
    for _ in range(10):
        make_batch()

    with django_assert_num_queries(len(queries)):
        admin_client.get(BATCHES)


def test_the_action_retries_the_selected_batches(admin_client):
    batch = make_ended(GOOD, LIMITED)

    page = act(admin_client, BATCHES, "retry", batch)

    (child,) = children(batch)
    assert child.pk in page and not child.is_merged


def test_the_other_action_merges(admin_client):
    batch = make_ended(GOOD, LIMITED)

    act(admin_client, BATCHES, "retry_and_merge", batch)

    assert children(batch)[0].is_merged


def test_an_action_says_what_cannot_be_done(admin_client):
    batch = make_ended(GOOD)

    page = act(admin_client, BATCHES, "retry", batch)

    assert "no error file" in page and children(batch) == []


def test_failed_lines_are_listed_with_their_batch(admin_client):
    batch = make_ended(LIMITED, REFUSED)

    page = admin_client.get(FAILED).content.decode()

    assert "l0" in page and "rate_limit" in page and "invalid_request" in page
    assert f'href="{BATCHES}{quote(batch.pk)}/change/"' in page


@pytest.mark.parametrize(
    ("query", "found"),
    [("?q=l1", {"l1"}), ("?cause__exact=rate_limit", {"l0"}), ("?q=nope", set())],
)
def test_failed_lines_are_found(admin_client, query, found):
    make_ended(LIMITED, REFUSED)

    page = admin_client.get(FAILED + query)

    rows = page.context["cl"].result_list
    assert {row.custom_id for row in rows} == found


def test_failed_lines_can_be_filtered_by_project(admin_client):
    batch = make_ended(LIMITED)
    make_ended(LIMITED)

    page = admin_client.get(f"{FAILED}?batch__project__id__exact={batch.project_id}")

    assert [row.batch for row in page.context["cl"].result_list] == [batch]


def test_the_selected_lines_run_again_one_batch_for_each_of_theirs(admin_client):
    first, second = make_ended(LIMITED, BROKEN, GOOD), make_ended(REFUSED)
    chosen = [
        FailedRequest.objects.get(batch=first, line=2),
        FailedRequest.objects.get(batch=second),
    ]

    act(admin_client, FAILED, "retry", *chosen)

    (one,), (two,) = children(first), children(second)
    assert ids(content(one.input_file_id)) == ["l1"]
    assert ids(content(two.input_file_id)) == ["l0"]


def test_failed_lines_cannot_be_changed_or_deleted(admin_client):
    make_ended(LIMITED)
    failed = FailedRequest.objects.get()

    response = admin_client.post(f"{FAILED}{failed.pk}/delete/", {"post": "yes"})

    assert response.status_code == 403 and FailedRequest.objects.exists()
    assert admin_client.post(f"{FAILED}add/").status_code == 403


@pytest.mark.parametrize("url", [BATCHES, FAILED])
def test_who_may_only_look_cannot_retry(client, django_user_model, url):
    batch = make_ended(LIMITED)
    user = django_user_model.objects.create_user("looker", is_staff=True)
    names = ["view_batchjob", "view_failedrequest"]
    user.user_permissions.set(Permission.objects.filter(codename__in=names))
    client.force_login(user)
    row = batch if url == BATCHES else FailedRequest.objects.get()

    act(client, url, "retry", row)

    assert children(batch) == []


def test_a_hostile_custom_id_is_text(admin_client):
    batch = make_batch()
    FailedRequest.objects.create(
        batch=batch,
        line=1,
        custom_id="<script>alert(1)</script>",
        cause="rate_limit",
        status=429,
        message="<img src=x>",
        created_at=database_now(),
    )

    page = admin_client.get(FAILED).content.decode()

    assert "<script>alert(1)" not in page and "<img src=x>" not in page
