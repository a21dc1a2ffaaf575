"""The product with the engine ray as users run it: nothing shared with the tests."""

import asyncio
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.conformance.client import Api, answer
from tests.rig.ports import free_port
from tests.rig.stack import Stack
from tests.workers.engines.test_real_vllm import tiny
from tests.workers.ray.telling import is_alive, ray_engine
from workers.engines.base import EngineStartFailed
from workers.supervising import family

MODEL = """
[[model]]
name = "tiny"
engine = "ray"
source = "{folder}"
chat_template = "{{% for m in messages %}}{{{{ m.content }}}}{{% endfor %}}"

[model.engine_args]
max_model_len = 512
max_num_seqs = 64
enforce_eager = true

[model.engine_args.ray]
max_replicas = 1
"""


@pytest.fixture
def stack(tiny_model: Path) -> Iterator[Stack]:
    """A worker that has to start Ray itself, and a tiny model for vLLM."""
    stack = Stack(
        VLLM_CPU_KVCACHE_SPACE="1",
        HF_HUB_OFFLINE="1",
        RAY_ADDRESS="",
        RAY_AUTH_TOKEN="",
        WORKER_VLLM_METRICS="true",
        WORKER_METRICS_PORT=str(free_port()),
    )
    with stack.watched():
        stack.prepare()
        stack.load_models(MODEL.format(folder=tiny_model))
        stack.start_web()
        stack.start_worker()
        yield stack


@pytest.mark.vllm
@pytest.mark.conformance
@pytest.mark.timeout(600)
def test_vllm_runs_in_a_replica_and_nothing_of_ray_is_left_behind(stack: Stack):
    ids = [f"l{number}" for number in range(120)]
    lines = [tiny(one, f"tell of {one}", ignore_eos=True) for one in ids]
    api = Api(stack.base_url, stack.new_key())
    with api.client, api.http:
        batch = api.run(*lines, seconds=500)
        found = api.union(batch, ids)
    ends_at = time.monotonic() + 20
    while (served := _metrics(stack)) != 120 and time.monotonic() < ends_at:
        time.sleep(0.1)
    worker = stack.processes["worker"]
    started = [
        member for member in family.descendants(worker.pid) if "ray" in member.title
    ]

    worker.stop()

    assert batch["request_counts"] == {"total": 120, "completed": 120, "failed": 0}
    assert batch["usage"]["output_tokens"] == 8 * 120
    assert all(answer(record) for _, record in found.values())
    assert served == 120
    assert started and not any(is_alive(member.pid) for member in started)


def _metrics(stack: Stack) -> float:
    """Return how many requests vLLM counted in the replica, by the worker's port."""
    url = f"http://127.0.0.1:{stack.environment['WORKER_METRICS_PORT']}/metrics"
    text = httpx.get(url, trust_env=False).text
    return sum(
        sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == "vllm:request_success_total" and "replica" in sample.labels
    )


def test_without_ray_installed_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch):
    # What an import finds where the package is not there.
    for name in ("ray", "ray.exceptions"):
        monkeypatch.setitem(sys.modules, name, None)

    with pytest.raises(EngineStartFailed, match="requirements-ray.txt") as caught:
        asyncio.run(ray_engine().start())

    assert caught.value.is_lasting


def test_an_address_of_ray_client_is_refused(configure):
    configure(RAY_ADDRESS="ray://10.0.0.1:10001")

    with pytest.raises(EngineStartFailed, match="write RAY_ADDRESS=host:6379"):
        asyncio.run(ray_engine().start())


@pytest.mark.parametrize("address", ["127.0.0.1:9", "nobody", "127.0.0.1:99999"])
def test_an_address_where_no_cluster_is_says_so(configure, address):
    configure(RAY_ADDRESS=address)

    with pytest.raises(
        EngineStartFailed, match=f"not join the Ray cluster at {address}"
    ):
        asyncio.run(ray_engine().start())
