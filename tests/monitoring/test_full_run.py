"""Server, worker, Prometheus and a fake Sentry: one run, looked at from every side.

The run has canaries in prompts, answers and errors. Its web server has two processes,
and it fails where the product can fail: an upload, a batch's end, a handler, an engine.
"""

import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conformance.client import Api, line
from tests.monitoring.test_files import DASHBOARDS, panels
from tests.rig import sentry
from tests.rig.ports import free_port
from tests.rig.prometheus import Prometheus, find_program
from tests.rig.receiver import Receiver, receiving
from tests.rig.stack import Stack

pytestmark = [
    pytest.mark.prometheus,
    pytest.mark.conformance,
    pytest.mark.timeout(600),
    pytest.mark.skipif(not find_program(), reason="Prometheus is not installed"),
]

PROMPT, ANSWER, BROKEN = "canary-prompt-71", "canary-answer-72", "canary-broken-73"
EVENTS = ["batch.completed", "batch.failed"]
MODELS = """
[[model]]
name = "stub"
engine = "openai_http"
source = "{url}/v1"

[[model]]
name = "mortal"
engine = "stub"
"""
# What a card says where there is one; its worker lives for the whole test.
CARD = """
from datetime import timedelta
from vllm_batch.lib.clock import database_now
from workers.models import Heartbeat
gpu = dict(celsius=64, memory_used=9, memory_total=16, utilization=97, watts=250.5)
now = database_now() + timedelta(hours=1)
beat = dict(pid=1, beat_at=now, progress_at=now)
Heartbeat.objects.create(host="h", slot="g", gpu=gpu, **beat)
"""


@dataclass
class Run:
    """What one run of everything left behind."""

    stack: Stack
    sentry: Receiver
    hooks: Receiver
    prometheus: Prometheus
    worker_port: int
    key: str
    secret: str = ""
    # Batches by what became of them, and the ids of the calls that made them.
    batches: dict[str, Any] = field(default_factory=dict)
    request_ids: dict[str, str] = field(default_factory=dict)

    def metrics(self, of: str) -> str:
        """Return the server's or the worker's metrics as they are served."""
        root = self.stack.base_url.removesuffix("/v1")
        worker = f"http://127.0.0.1:{self.worker_port}"
        url = {"api": root, "worker": worker}[of] + "/metrics"
        answer = httpx.get(url, trust_env=False, timeout=60)
        assert answer.status_code == 200
        return answer.text

    def records(self, name: str) -> list[dict[str, Any]]:
        """Return a process group's log, whose every line is an object."""
        lines = self.stack.processes[name].output().splitlines()
        return [json.loads(text) for text in lines if not text.startswith("slot ")]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """Run everything once."""
    port, folder = free_port(), tmp_path_factory.mktemp("prometheus")
    with receiving() as events, receiving() as hooks:
        stack = Stack(
            DJANGO_SETTINGS_MODULE="tests.monitoring.site_settings",
            LOG_FORMAT="json",
            LOG_LEVEL="DEBUG",
            WORKER_METRICS_PORT=str(port),
            SENTRY_DSN=sentry.dsn(events),
            SENTRY_TRACES_SAMPLE_RATE="1",
            WEBHOOK_ALLOW_HTTP="true",
            WEBHOOK_ALLOWED_HOSTS="127.0.0.1:*",
            HANDLER_RETRY_SECONDS="1",
        )
        stack.environment["VLLM_BATCH_FAULTS"] = str(stack.folder / "points")
        (stack.folder / "points").mkdir()
        try:
            start(stack)
            found = Run(
                stack, events, hooks, server(stack, port, folder), port, stack.new_key()
            )
            drive(found)
            yield found
        except BaseException:
            print(stack.logs())
            raise
        finally:
            if "found" in locals():
                found.prometheus.stop()
            stack.stop()


def start(stack: Stack) -> None:
    stack.prepare()
    stack.launch_stub("0")
    stack.load_models(MODELS.format(url=stack.stub_url))
    stack.start_web()
    stack.start_worker()
    stack.manage("shell", "--no-imports", "-c", CARD)


def server(stack: Stack, port: int, folder: Path) -> Prometheus:
    api = stack.base_url.removeprefix("http://").removesuffix("/v1")
    made = Prometheus(folder, vllm_batch_api=api, vllm_batch_worker=f"127.0.0.1:{port}")
    made.start()
    return made


def drive(run: Run) -> None:
    """Let batches end well and badly."""
    with speaking(run) as api:
        _drive(run, api)


@contextmanager
def speaking(run: Run) -> Iterator[Api]:
    """Speak for the run's project."""
    api = Api(run.stack.base_url, run.key)
    with api.client, api.http:
        yield api


def _drive(run: Run, api: Api) -> None:
    order = {"name": "a", "url": run.hooks.url, "event_types": EVENTS}
    hook = api.raw("POST", "/webhook_endpoints", json=order).json()
    run.secret = hook.get("signing_secret") or hook["secret"]
    arm(run.stack, "upload.saved", "raise")
    assert api.form(b"{}\n", purpose="batch").status_code >= 500
    arm(run.stack, "final.saved", "raise")
    lines = [line(f"s{n}", f"SLEEP 0.1 {PROMPT} {ANSWER} {n}") for n in range(300)]
    lines += [line("bad", f"HTTP 400 {BROKEN}"), line("odd", "FLAKY 503 2 x")]
    lines += [
        line("twin", "ECHO a", temperature=0),
        line("twin2", "ECHO a", temperature=0),
    ]
    make(run, api, "mixed", lines)
    mortal = [line(f"m{n}", f"ECHO {PROMPT}", model="mortal") for n in range(20)]
    mortal.append(line("die", f"DIE {BROKEN}", model="mortal"))
    make(run, api, "mortal", mortal)
    make(run, api, "invalid", [line("a", PROMPT, model="no-such-model")])
    assert run.batches["mixed"]["status"] == "completed"
    # Until the handlers have failed for good, and Prometheus has seen all of it.
    assert run.prometheus.wait_for(
        'max(vllm_queue_waiting{queue="handlers"}) == 0'
        ' and sum(vllm_handler_runs_total{handler="leaking"}) >= 4'
    )


def arm(stack: Stack, point: str, action: str) -> None:
    folder = stack.folder / "points"
    (folder / f"{point}.hits").unlink(missing_ok=True)
    (folder / point).write_text(f"1 {action}")


def make(run: Run, api: Api, name: str, lines: list[Any]) -> None:
    file = api.form(
        "".join(json.dumps(x) + "\n" for x in lines).encode(), purpose="batch"
    )
    answer = api.create(input_file_id=file.json()["id"])
    run.request_ids[name] = answer.headers["x-request-id"]
    run.batches[name] = api.wait(answer.json()["id"], seconds=120)


# These have data with their engine only, and are looked at with it: vLLM's own in
# test_vllm_metrics.py, the others in tests/workers/endpoints and tests/workers/ray.
OF_OTHER_ENGINES = ("vllm:", "vllm_endpoint_", "vllm_engine_replicas")


def test_each_panels_query_returns_data(run: Run):
    asked = [
        target["expr"].replace("$__rate_interval", "2m")
        for path in DASHBOARDS
        for panel in panels(path)
        for target in panel["targets"]
        if panel["type"] != "logs"
        and not any(name in target["expr"] for name in OF_OTHER_ENGINES)
    ]

    empty = [one for one in asked if not run.prometheus.wait_for(one, seconds=10)]

    assert len(asked) > 40
    assert empty == []


def test_prometheus_takes_every_alarm_and_finds_all_targets(run: Run):
    rules = httpx.get(f"{run.prometheus.url}/api/v1/rules", trust_env=False).json()
    states = [r["health"] for g in rules["data"]["groups"] for r in g["rules"]]

    assert set(states) == {"ok"}
    assert len(run.prometheus.query("up == 1")) == 3


def test_what_it_counts_is_what_happened(run: Run):
    query = run.prometheus.query
    model = '{model="stub", outcome="completed"}'

    assert query(f"sum(vllm_request_total{model}) == 303")
    assert query('sum(vllm_request_total{model="mortal", outcome="failed"}) == 1')
    assert query('sum(vllm_request_failures_total{cause="engine_crash"}) == 1')
    assert query("sum(vllm_request_duration_seconds_count{model='stub'}) >= 302")
    assert query('sum(vllm_tokens_total{model="stub", kind="output"}) == 302 * 3')
    assert query("sum(vllm_engine_deaths_total) >= 1")
    assert query('sum(vllm_batch_jobs_total{status="validating"}) == 3')
    assert query('sum(vllm_webhook_deliveries_total{outcome="succeeded"}) >= 3')


def test_two_web_processes_count_together(run: Run):
    url = run.stack.base_url + "/models"

    for _ in range(40):
        httpx.get(url, trust_env=False)

    (counted,) = [
        line
        for line in run.metrics("api").splitlines()
        if line.startswith("django_http_responses_total_by_status_view_method_total")
        and "ModelViewSet" in line
    ]
    assert float(counted.split()[-1]) == 40
    files = list((run.stack.folder / "metrics").glob("web.*/counter_*.db"))
    assert len(files) == 2


def test_what_killed_processes_counted_stays(run: Run):
    count = "sum(vllm_request_total)"
    before = float(run.prometheus.query(count)[0]["value"][1])
    (process,) = {
        record["process"]
        for record in run.records("worker")
        if record["logger"] == "workers.running.feeding"
    }

    os.kill(process, signal.SIGKILL)

    assert run.prometheus.wait_for('vllm_cluster_restarts_total{cluster="gpu"} > 0')
    assert float(run.prometheus.query(count)[0]["value"][1]) == before >= 323


def test_every_line_of_the_logs_is_an_object(run: Run):
    for name in ("web", "worker"):
        records = run.records(name)
        assert records
        assert {"time", "level", "message", "worker"} <= set(records[0])
    assert {r["worker"].split("@")[0] for r in run.records("worker")} == {"gpu0"}


def test_one_id_leads_from_the_call_to_the_engine_and_to_the_end(run: Run):
    batch, request_id = run.batches["mixed"]["id"], run.request_ids["mixed"]

    records = [r for r in run.records("worker") if r["batch_id"] == batch]
    loggers = {r["logger"] for r in records if r["request_id"] == request_id}

    assert {"workers.running.feeding", "batches.metrics", "batches.tasks"} <= loggers
    assert {r["request_id"] for r in records} <= {request_id, ""}
    created = [r for r in run.records("web") if r["request_id"] == request_id]
    assert any(batch in record["message"] for record in created)


def test_sentry_is_told_what_broke_and_where(run: Run):
    events = sentry.wait_for(run.sentry, "event", 3)
    batch = run.batches["mixed"]["id"]

    tagged = [e for e in events if e.get("tags", {}).get("batch_id") == batch]
    assert any(e["user"]["id"].startswith("project:") for e in tagged)
    assert {e["tags"]["worker"].split("@")[0] for e in tagged} == {"gpu0"}
    assert {e["release"] for e in events} == {"vllm-batch@0.1.0"}
    kinds = {
        v["type"] for e in events for v in e.get("exception", {}).get("values", [])
    }
    assert {"OSError", "ValueError"} <= kinds
    api = [
        e for e in events if e["tags"].get("request_id") and "batch_id" not in e["tags"]
    ]
    assert api and api[0]["request"] == {"method": "POST"}


def test_sentry_gets_traces_without_queries_or_addresses(run: Run):
    (first, *_) = sentry.wait_for(run.sentry, "transaction")

    assert first["transaction"]
    text = json.dumps(sentry.items(run.sentry, "transaction"))
    assert '"description"' not in text and '"query_string"' not in text


def sinks(run: Run) -> dict[str, str]:
    """Return everything the run told to anybody who is no client."""
    logs = {p.name: p.log.read_text() for p in run.stack.processes.values()}
    series = httpx.get(
        f"{run.prometheus.url}/api/v1/series",
        params={"match[]": '{__name__=~".+"}'},
        trust_env=False,
    ).text
    told = "".join(body.decode() for body in sentry.bodies(run.sentry))
    tables = run.stack.manage("dumpdata", "django_q")
    own = {"api": run.metrics("api"), "worker-port": run.metrics("worker")}
    return {**logs, **own, "series": series, "sentry": told, "queue": tables}


def test_no_prompt_answer_or_key_is_told_to_anybody(run: Run):
    time.sleep(1)  # until the last events are on their way
    secrets = (PROMPT, ANSWER, BROKEN, run.key, run.secret)

    found = [(n, s) for n, text in sinks(run).items() for s in secrets if s in text]

    assert found == []


def test_the_canaries_would_be_seen(run: Run):
    with speaking(run) as api:
        output = api.records(run.batches["mixed"]["output_file_id"])
    told = sentry.items(run.sentry, "event")

    assert ANSWER in json.dumps(output)
    assert "leaking" in json.dumps(told)
