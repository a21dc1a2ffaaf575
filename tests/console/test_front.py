"""The front page: what runs, what waits, how the GPUs are."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from tests.console.people import ROOT, cast, read, sign_in
from tests.curation.review.desk import make_person
from tests.factories import make_batch, make_model, make_project
from vllm_batch.lib.clock import database_now
from workers.models import Heartbeat

pytestmark = pytest.mark.django_db
MOST_QUERIES = 10
CARD = {
    "name": "NVIDIA Test 16 GB",
    "state": "ok",
    "celsius": 61,
    "memory_used": 8 << 30,
    "memory_total": 16 << 30,
    "utilization": 97,
}


def beat(**fields):
    now = database_now()
    defaults = {"host": "h", "slot": "gpu0", "pid": 1, "owner": "o", "model": "stub"}
    moments = {"beat_at": now, "progress_at": now}
    return Heartbeat.objects.create(**{**defaults, **moments, **fields})


def running(project, **fields):
    ago = database_now() - timedelta(seconds=100)
    counts = {"total": 1000, "completed": 390, "failed": 10, "output_tokens": 50_000}
    fields = {"model": "stub", "first_result_at": ago, **counts, **fields}
    return make_batch(project=project, status="in_progress", **fields)


def test_the_admins_front_page_is_the_console():
    project, lead, _ = cast()
    batch = running(project)

    assert f"/admin/console/batches/{batch.pk}/" in read(lead, "/admin/")


def test_it_shows_progress_pace_and_why_a_batch_waits():
    project, lead, _ = cast()
    running(project, paused_reason="the night")

    page = read(lead, ROOT)

    assert "400 of 1,000" in page and "10 failed" in page
    assert "The batch is paused: the night" in page


def test_it_shows_what_a_running_batch_makes_and_when_it_is_ready():
    project, lead, _ = cast()
    make_model()
    beat(state="running")
    batch = running(project)
    now = database_now()
    batch.chunks.create(
        index=0, model="stub", first_line=1, span=8, line_count=8, first_byte=0,
        byte_count=1, done=b"\0", lease_owner="o",
        lease_expires_at=now + timedelta(minutes=1),
    )  # fmt: skip

    page = read(lead, ROOT)

    assert "tokens/s" in page and "ready in" in page and ">running<" in page


def test_it_shows_the_gpus():
    project, lead, _ = cast()
    beat(gpu=CARD, state="running", requests_in_flight=200)
    old = database_now() - timedelta(hours=1)
    beat(slot="gpu1", beat_at=old)

    page = read(lead, ROOT)

    assert "NVIDIA Test 16 GB" in page and "61 °C" in page
    assert "8.0 of 16.0 GiB" in page and "97 %" in page and "gone" in page


def test_a_heartbeat_of_any_shape_breaks_nothing():
    project, lead, _ = cast()
    beat(gpu=["no", "object"], reason="<b>x</b>")

    assert "<b>x</b>" not in read(lead, ROOT)


def test_members_see_their_own_projects_only():
    project, lead, stranger = cast()
    batch = running(project)

    assert batch.pk in read(lead, ROOT)
    assert batch.pk not in read(stranger, ROOT) + read(stranger, ROOT + "past")


def test_a_superuser_sees_all(admin_client):
    assert running(make_project()).pk in read(admin_client, ROOT)


@pytest.mark.parametrize("path", ["/admin/", ROOT, ROOT + "past", ROOT + "batches/"])
def test_only_staff_come_in(client, path):
    client.force_login(make_person(make_project(), is_staff=False))

    assert client.get(path).status_code == 302
    assert Client().get(path)["Location"].startswith("/admin/login/")


@pytest.mark.parametrize("path", [ROOT, ROOT + "past"])
def test_it_asks_ten_times_at_most_however_many_batches_there_are(path):
    project, lead, _ = cast()
    beat(gpu=CARD)
    for _ in range(30):
        running(project)

    with CaptureQueriesContext(connection) as queries:
        read(lead, path)

    assert len(queries) <= MOST_QUERIES, [q["sql"] for q in queries]


def test_the_last_hours_name_causes_and_ends():
    project, lead, _ = cast()
    batch = running(project)
    batch.failed_requests.create(
        line=1, custom_id="a", cause="rate_limit", status=429,
        created_at=database_now(),
    )  # fmt: skip

    page = read(lead, ROOT + "past")

    assert "rate limit" in page and "in progress" in page
    assert page.count("<svg") == 2 and "nan " not in page


def test_a_member_without_a_leading_role_is_offered_no_new_batch():
    project = make_project()

    assert "New batch" not in read(sign_in(project, "reviewer"), ROOT)
    assert "New batch" in read(sign_in(project), ROOT)


def test_the_pages_come_with_a_strict_policy_and_no_inline_code():
    project, lead, _ = cast()
    running(project)

    response = lead.get(ROOT)

    policy = response["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy
    page = response.content.decode()
    assert "style=" not in page and "onclick" not in page and "<style" not in page


def test_the_tables_are_one_step_away(admin_client):
    assert 'href="/admin/tables/"' in read(admin_client, ROOT)
    assert "Site administration" in read(admin_client, "/admin/tables/")
