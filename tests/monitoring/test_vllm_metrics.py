"""What vLLM itself counts, served by the worker."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conformance.client import Api, line
from tests.marks import REAL_VLLM
from tests.monitoring.test_files import DASHBOARDS, panels
from tests.rig.ports import free_port
from tests.rig.prometheus import Prometheus, find_program
from tests.rig.stack import Stack
from tests.workers.engines.test_real_vllm import MODEL

pytestmark = [
    *REAL_VLLM,
    pytest.mark.prometheus,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not find_program(), reason="Prometheus is not installed"),
]


@pytest.fixture(scope="module")
def prometheus(
    tiny_model: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Prometheus]:
    """Prometheus after one batch on vLLM."""
    port = free_port()
    stack = Stack(
        VLLM_CPU_KVCACHE_SPACE="1",
        HF_HUB_OFFLINE="1",
        WORKER_METRICS_PORT=str(port),
        WORKER_VLLM_METRICS="true",
    )
    target = f"127.0.0.1:{port}"
    server = Prometheus(tmp_path_factory.mktemp("p"), vllm_batch_worker=target)
    try:
        stack.prepare()
        stack.load_models(MODEL.format(folder=tiny_model))
        stack.start_web()
        stack.start_worker()
        server.start()
        run_batch(stack)
        yield server
    except BaseException:
        print(stack.logs())
        raise
    finally:
        server.stop()
        stack.stop()


def run_batch(stack: Stack) -> None:
    api = Api(stack.base_url, stack.new_key())
    with api.client, api.http:
        body: Any = {"model": "tiny", "max_tokens": 8, "ignore_eos": True}
        lines = [line(str(n), "hello", **body) for n in range(20)]
        batch = api.run(*lines, seconds=600)
        assert batch["request_counts"]["completed"] == 20


def test_each_panel_about_vllm_has_data(prometheus: Prometheus):
    asked = [
        target["expr"].replace("$__rate_interval", "2m")
        for path in DASHBOARDS
        for panel in panels(path)
        for target in panel["targets"]
        if "vllm:" in target["expr"]
    ]

    empty = [one for one in asked if not prometheus.wait_for(one, seconds=10)]

    assert asked and empty == []


def test_ours_are_counted_beside_them(prometheus: Prometheus):
    for expression in (
        'sum(vllm_request_total{model="tiny"}) == 20',
        'sum(vllm_tokens_total{kind="output"}) == 20 * 8',
    ):
        assert prometheus.wait_for(expression)


def test_no_two_processes_serve_the_same_series(prometheus: Prometheus):
    target = httpx.get(
        f"{prometheus.url}/api/v1/targets", params={"state": "active"}, trust_env=False
    ).json()["data"]["activeTargets"]

    errors = {one["scrapePool"]: one["lastError"] for one in target}
    assert errors["vllm-batch-worker"] == ""
