"""`/metrics`: who may read it, and what is in it."""

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connections
from django.test import Client
from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from batches.models import AttemptStatus, HandlerRun, Status
from tests.factories import make_batch, make_chunk
from tests.monitoring.documented import find_names
from vllm_batch.lib.clock import database_now
from vllm_batch.lib.metric_files import begin, begin_server, forget_dead
from vllm_batch.lib.metrics import BulkHistogram
from workers.models import Heartbeat

pytestmark = pytest.mark.django_db
TOKEN = "a-token-that-is-long-enough"


@pytest.fixture(autouse=True)
def fresh_state(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no answer come from another test's database."""
    monkeypatch.setattr("monitoring.state.CACHE_SECONDS", 0.0)
    from monitoring.state import StateCollector

    monkeypatch.setattr("monitoring.metrics._state", StateCollector())


def samples(client: Client | None = None) -> dict[tuple[str, ...], float]:
    """Return the values at /metrics by name and label values."""
    answer = (client or Client()).get("/metrics")
    assert answer.status_code == 200
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(answer.content.decode())
        for sample in family.samples
    }


@pytest.mark.parametrize(
    ("address", "headers", "status"),
    [
        ("127.0.0.1", {}, 200),
        ("::1", {}, 200),
        ("192.0.2.7", {}, 403),
        ("", {}, 403),
        ("127.0.0.1", {"X-Forwarded-For": "127.0.0.1"}, 403),
        ("127.0.0.1", {"X-Real-Ip": "127.0.0.1"}, 403),
        ("127.0.0.1", {"Forwarded": "for=127.0.0.1"}, 403),
        ("192.0.2.7", {"Authorization": f"Bearer {TOKEN}"}, 200),
        ("192.0.2.7", {"Authorization": "Bearer ä"}, 403),
    ],
)
def test_it_is_read_from_here_or_with_the_token(address, headers, status, configure):
    configure(METRICS_TOKEN=TOKEN)

    answer = Client(REMOTE_ADDR=address).get("/metrics", headers=headers)

    assert answer.status_code == status


def test_no_token_lets_nobody_in_with_an_empty_one(configure):
    answer = Client(REMOTE_ADDR="192.0.2.7").get(
        "/metrics", headers={"Authorization": "Bearer "}
    )

    assert answer.status_code == 403


def test_networks_may_read_it(configure):
    configure(METRICS_ALLOWED=["10.0.0.0/8"])

    assert Client(REMOTE_ADDR="10.1.2.3").get("/metrics").status_code == 200
    assert Client(REMOTE_ADDR="127.0.0.1").get("/metrics").status_code == 403


def test_every_documented_state_is_there_before_the_first_batch():
    found = {name for name, *_ in samples()}
    gauges = {name for name, kind in find_names().items() if kind == "state"}
    of_workers = {n for n in gauges if n.startswith(("vllm_gpu", "vllm_worker"))}

    assert gauges - of_workers - {"vllm_requests_in_flight"} <= found


def test_batches_and_lines_are_counted_by_status():
    batch = make_batch(status=Status.IN_PROGRESS, total=10, completed=3, failed=1)
    make_batch(status=Status.COMPLETED)

    found = samples()

    assert found["vllm_batches", "in_progress"] == 1
    assert ("vllm_batches", "completed") not in found
    assert found["vllm_lines_waiting",] == 6
    assert batch.pk not in str(found)


def test_a_batch_without_a_result_has_an_age_unless_it_is_paused():
    hour_ago = database_now() - timedelta(hours=1)
    make_batch(status=Status.IN_PROGRESS, created_at=hour_ago)
    make_batch(
        status=Status.IN_PROGRESS,
        created_at=hour_ago - timedelta(hours=5),
        paused_reason="a test",
    )

    found = samples()

    assert found["vllm_batch_wait_seconds",] == pytest.approx(3600, abs=60)
    assert found["vllm_batches_paused",] == 1


def test_leases_that_ended_are_told_apart():
    batch = make_batch(status=Status.IN_PROGRESS)
    now = database_now()
    make_chunk(batch, index=0, lease_owner="a", lease_expires_at=now - timedelta(9))
    make_chunk(batch, index=1, lease_owner="b", lease_expires_at=now + timedelta(9))

    found = samples()

    assert found["vllm_leases", "held"] == found["vllm_leases", "expired"] == 1


def test_dead_letters_and_waiting_runs_are_counted():
    batch = make_batch(status=Status.COMPLETED)
    HandlerRun.objects.create(batch=batch, handler="a", status=AttemptStatus.DEAD)
    HandlerRun.objects.create(batch=batch, handler="b")

    found = samples()

    assert found["vllm_dead_letters", "handler"] == 1
    assert found["vllm_queue_waiting", "handlers"] == 1


def test_a_living_worker_and_its_card_are_told():
    now = database_now()
    card = {"celsius": 71, "memory_used": 5, "utilization": 98, "name": "a card"}
    beat = {"pid": 1, "beat_at": now, "progress_at": now}
    Heartbeat.objects.create(host="h", slot="gpu0", gpu=card, state="running", **beat)
    beat["beat_at"] = now - timedelta(hours=1)
    Heartbeat.objects.create(host="h", slot="gone", gpu=card, **beat)

    found = samples()

    assert found["vllm_gpu_temperature_celsius", "h", "gpu0"] == 71
    assert ("vllm_gpu_temperature_celsius", "h", "gone") not in found
    assert found["vllm_worker_state", "h", "gpu0", "running"] == 1
    assert found["vllm_worker_up", "h", "gone"] == 0


def test_a_database_that_does_not_answer_is_a_metric(monkeypatch):
    def away(*_: object) -> None:
        from django.db import OperationalError

        raise OperationalError("away")

    monkeypatch.setattr(connections["default"], "cursor", away)

    assert samples()["vllm_database_up",] == 0


def test_many_values_at_once_count_like_one_after_the_other():
    values = [0.0, 0.05, 0.05, 0.06, 1.0, 7.5, 1e9]
    registries = [CollectorRegistry(), CollectorRegistry()]
    many: Any
    one: Any
    many, one = (
        kind("a", "a", ["x"], buckets=(0.05, 1, 5), registry=registry)
        for kind, registry in zip((BulkHistogram, Histogram), registries, strict=True)
    )

    many.labels("x").observe_all(values)
    for value in values:
        one.labels("x").observe(value)

    texts = [
        [
            line
            for line in generate_latest(r).decode().splitlines()
            if "_created" not in line
        ]
        for r in registries
    ]
    assert texts[0] == texts[1]


def dead_pid() -> int:
    """Return the number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_counts_of_dead_processes_stay_and_their_present_goes(tmp_path: Path):
    dead = dead_pid()
    names = [f"counter_{dead}.db", f"gauge_livesum_{dead}.db"]
    names.append(f"gauge_livesum_{os.getpid()}.db")
    for name in names:
        (tmp_path / name).touch()

    forget_dead(tmp_path)

    assert {file.name for file in tmp_path.iterdir()} == {names[0], names[2]}


def test_the_counts_of_very_many_dead_processes_go(tmp_path: Path):
    (tmp_path / f"counter_{dead_pid()}.db").touch()

    forget_dead(tmp_path, most=0)

    assert list(tmp_path.iterdir()) == []


def test_a_new_run_starts_at_nothing(tmp_path: Path):
    (tmp_path / "counter_1.db").touch()

    assert list(begin(tmp_path).iterdir()) == []


def test_a_servers_folder_outlives_a_reload_and_not_the_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", "")
    old = tmp_path / f"web.a.{dead_pid()}"
    old.mkdir()

    (begin_server(tmp_path, "a") / "counter_1.db").touch()
    again = begin_server(tmp_path, "a")

    assert [file.name for file in again.iterdir()] == ["counter_1.db"]
    assert not old.exists()
