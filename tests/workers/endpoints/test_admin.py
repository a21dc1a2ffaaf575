"""What the admin shows of a worker's endpoints."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from vllm_batch.lib.clock import database_now
from workers.models import Heartbeat

pytestmark = pytest.mark.django_db
ROW = {
    "endpoint": "http://10.0.0.5:8000/v1",
    "state": "set aside: <no connection>",
    "in_flight": 3,
    "limit": 12,
    "done": 70,
    "errors": 5,
}


def page(client: Client, servers: Any) -> str:
    now = database_now()
    beat = Heartbeat.objects.create(
        host="h", slot="s", pid=1, beat_at=now, progress_at=now, servers=servers
    )
    url = reverse("admin:vllm_workers_heartbeat_change", args=[beat.pk])
    answer = client.get(url)
    assert answer.status_code == 200
    return answer.content.decode()


def test_each_endpoint_is_listed_with_its_state(admin_client: Client):
    text = page(admin_client, [ROW])

    assert "http://10.0.0.5:8000/v1: set aside: &lt;no connection&gt;" in text
    assert "3 of 12 in flight, 70 done, 5 errors" in text


@pytest.mark.parametrize("servers", [[], None])
def test_a_worker_without_endpoints_has_a_page(admin_client: Client, servers: Any):
    assert "in flight, " not in page(admin_client, servers)
