"""GET /health, /health/live and /health/<part>."""

from datetime import timedelta
from typing import Any, NoReturn

import pytest
from django.db import OperationalError, connection
from django.utils import timezone
from django_q.models import OrmQ

from accounts.models import ApiKey
from tests.factories import make_client
from vllm_batch.lib.clock import database_now
from workers.models import Heartbeat

pytestmark = pytest.mark.django_db


def refuse() -> NoReturn:
    raise OperationalError("connection to 10.0.0.5 refused")


def make_beat(slot: str = "gpu0", *, silent: int = 0, **fields: Any) -> Heartbeat:
    """Make a worker's heartbeat, so many seconds old."""
    moment = database_now() - timedelta(seconds=silent)
    times = {"beat_at": moment, "progress_at": moment}
    return Heartbeat.objects.create(host="box", slot=slot, pid=1, **times, **fields)


def wait_in_queue(cluster: str, seconds: int) -> None:
    """Put a task into a queue that nobody takes."""
    lock = timezone.now() - timedelta(seconds=seconds)
    OrmQ.objects.create(key=cluster, payload="x", lock=lock)


def words(client: Any) -> dict[str, str]:
    response = client.get("/health")
    assert response.status_code == 200
    found: dict[str, str] = response.json()
    return found


def test_it_tells_the_parts_apart(client):
    make_beat()

    assert words(client) == {
        "status": "ok",
        "database": "ok",
        "queue": "ok",
        "workers": "ok",
        "gpus": "no GPU",
    }


def test_it_is_503_when_the_database_does_not_answer(client, monkeypatch):
    monkeypatch.setattr(connection, "cursor", refuse)

    for path in ("/health", "/health/workers"):
        response = client.get(path)
        assert response.status_code == 503
        assert response.json()["status"] == "unavailable"


def test_it_tells_strangers_nothing_about_the_cause(client, monkeypatch):
    monkeypatch.setattr(connection, "cursor", refuse)

    assert "10.0.0.5" not in client.get("/health").content.decode()


def test_the_process_lives_whatever_the_database_does(client, monkeypatch):
    monkeypatch.setattr(connection, "cursor", refuse)

    assert client.get("/health/live").json() == {"status": "ok"}


def test_an_api_server_stays_in_service_while_no_worker_is_alive(client):
    make_beat(silent=60)

    found = words(client)

    assert (found["status"], found["workers"]) == ("degraded", "none")
    assert client.get("/health/workers").status_code == 503


def test_workers_that_all_pause_are_no_workers(client):
    make_beat(state="paused", reason="the disk is full")
    assert client.get("/health/workers").json() == {"status": "paused"}

    make_beat("gpu1")

    assert words(client)["workers"] == "ok"


def test_a_task_that_nobody_takes_shows(client):
    make_beat()
    wait_in_queue("ops", 300)

    assert words(client)["queue"] == "late"
    assert client.get("/health/queue").status_code == 503


def test_a_busy_gpu_lets_its_doorbells_wait(client):
    wait_in_queue("gpu", 1800)

    assert words(client)["queue"] == "ok"


@pytest.mark.parametrize(
    ("states", "word", "status"),
    [
        (["ok", "ok"], "ok", 200),
        (["ok", "paused"], "paused", 200),
        (["taken", "ok"], "taken", 200),
        (["drained", "paused"], "drained", 503),
        (["ok", "unknown"], "unknown", 503),
    ],
)
def test_the_worst_gpu_counts(client, states, word, status):
    for number, state in enumerate(states):
        make_beat(f"gpu{number}", gpu={"state": state, "reason": "secret"})

    response = client.get("/health/gpus")

    assert (response.status_code, response.json()) == (status, {"status": word})


def test_the_gpu_of_a_worker_that_is_gone_does_not_count(client):
    make_beat(gpu={"state": "drained"}, silent=600)

    assert words(client)["gpus"] == "no GPU"


def test_a_key_shows_the_details():
    make_beat(model="stub", gpu={"state": "drained", "reason": "the GPU is lost"})
    wait_in_queue("ops", 10)

    details = make_client().get("/health").json()["details"]

    assert details["gpus"]["gpu0@box"]["reason"] == "the GPU is lost"
    assert details["workers"]["gpu0@box"]["model"] == "stub"
    assert details["queue"]["ops"]["waiting"] == 1


def test_a_key_shows_one_parts_details():
    make_beat()

    body = make_client().get("/health/gpus").json()

    assert body["details"] == {"gpu0@box": {"state": "no GPU"}}


def test_the_staff_sees_the_details(admin_client, client, django_user_model):
    assert "details" in admin_client.get("/health").json()

    client.force_login(django_user_model.objects.create_user("bob"))

    assert "details" not in client.get("/health").json()


def test_a_wrong_key_is_refused(client):
    response = client.get("/health", headers={"Authorization": "Bearer sk-nope"})

    assert response.status_code == 401
    assert response.json()["error"]["code"] == "invalid_api_key"


def test_a_revoked_key_is_refused():
    client = make_client()
    ApiKey.objects.update(revoked_at=timezone.now())

    assert client.get("/health").status_code == 401


def test_an_unknown_part_is_404(client):
    response = client.get("/health/engines")

    assert response.status_code == 404
    assert "database, queue, workers, gpus" in response.json()["error"]["message"]


def test_it_answers_head_requests(client):
    assert client.head("/health").status_code == 200


def test_it_is_never_cached(client):
    assert "no-store" in client.get("/health")["Cache-Control"]


@pytest.mark.parametrize("path", ["/health", "/health/live", "/health/gpus"])
def test_it_refuses_other_methods(client, path):
    assert client.post(path).status_code == 405
