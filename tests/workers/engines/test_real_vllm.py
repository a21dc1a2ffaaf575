"""The whole product on the real engine: vLLM on the CPU with a tiny model."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.client import CMP, Api, answer, jsonl, line
from tests.marks import REAL_VLLM
from tests.rig.stack import Stack
from workers.supervising import family
from workers.supervising.family import Member

pytestmark = [
    *REAL_VLLM,
    pytest.mark.timeout(900),
]

MODEL = """
[[model]]
name = "tiny"
engine = "vllm"
source = "{folder}"

[model.engine_args]
max_model_len = 512
max_num_seqs = 64
max_num_batched_tokens = 1024
enforce_eager = true
"""


@pytest.fixture(scope="module")
def vllm_stack(tiny_model: Path) -> Iterator[Stack]:
    """A stack whose engine is vLLM itself."""
    stack = Stack(
        VLLM_CPU_KVCACHE_SPACE="1", HF_HUB_OFFLINE="1", ENGINE_STALL_SECONDS="15"
    )
    with stack.watched():
        stack.prepare()
        stack.load_models(MODEL.format(folder=tiny_model))
        stack.start_web()
        stack.start_worker()
        yield stack


@pytest.fixture
def api(vllm_stack: Stack) -> Iterator[Api]:
    """A project of its own on that stack."""
    api = Api(vllm_stack.base_url, vllm_stack.new_key())
    yield api
    api.http.close()
    api.client.close()


def engine_cores(stack: Stack) -> list[Member]:
    """Return vLLM's engine processes below the worker."""
    members = family.descendants(stack.processes["worker"].pid)
    return [m for m in members if "EngineCore" in m.title and not m.is_zombie]


def tiny(custom_id: str, text: str, **body: Any) -> dict[str, Any]:
    body.setdefault("max_tokens", 8)
    return line(custom_id, text, model="tiny", **body)


def test_two_hundred_chat_lines_run(api: Api):
    ids = [f"chat-{number}" for number in range(200)]
    lines = [tiny(i, f"Say something about {i}", ignore_eos=True) for i in ids]

    batch = api.run(*lines, seconds=600)

    assert batch["status"] == "completed", batch
    assert batch["request_counts"] == {"total": 200, "completed": 200, "failed": 0}
    for custom_id, (_, record) in api.union(batch, ids).items():
        body = record["response"]["body"]
        assert body["model"] == "tiny" and body["usage"]["completion_tokens"] == 8
        assert answer(record), custom_id
    assert batch["usage"]["output_tokens"] == 8 * 200
    assert batch["usage"]["input_tokens"] > 200


def test_good_and_bad_lines_go_their_own_ways(api: Api):
    good = [tiny(f"good-{n}", "hello", temperature=0) for n in range(20)]
    bad = {
        "hot": tiny("hot", "hello", temperature=9),
        "long": tiny("long", "word " * 2000),
        "shape": {**tiny("shape", ""), "body": {"model": "tiny", "messages": 5}},
    }

    batch = api.run(*good, *bad.values(), seconds=600)

    ids = [f"good-{n}" for n in range(20)] + list(bad)
    records = api.union(batch, ids)
    assert batch["request_counts"] == {"total": 23, "completed": 20, "failed": 3}
    for custom_id in bad:
        kind, record = records[custom_id]
        error = record["response"]["body"]["error"]
        assert kind == "err" and record["response"]["status_code"] == 400
        assert error["type"] == "invalid_request_error" and error["message"]
        assert error["code"] is None
    answers = {answer(record) for kind, record in records.values() if kind == "out"}
    assert len(answers) == 1


def test_completions_run_too(api: Api):
    item = line("a", "def main():", url=CMP, model="tiny", max_tokens=4)
    batch = api.run(item, endpoint=CMP, seconds=600)
    _, record = api.union(batch, ["a"])["a"]
    assert isinstance(record["response"]["body"]["choices"][0]["text"], str)


def test_an_endpoint_the_model_does_not_serve_is_explained(api: Api):
    url = "/v1/embeddings"
    batch = api.run(line("a", "x", url=url, model="tiny"), endpoint=url, seconds=600)
    _, record = api.union(batch, ["a"])["a"]
    assert record["response"]["status_code"] == 404
    text = "The model does not serve this endpoint."
    assert record["response"]["body"]["error"]["message"] == text


def test_cancelling_aborts_lines_in_the_engine(api: Api):
    lines = [
        tiny(f"l{n}", "go on", max_tokens=400, ignore_eos=True) for n in range(300)
    ]
    batch_id = api.mk(api.up(jsonl(*lines)).id).id
    api.wait(batch_id, until=("in_progress",))
    api.client.batches.cancel(batch_id)

    batch = api.wait(batch_id, seconds=60)

    assert batch["status"] == "cancelled"
    api.union(batch, [f"l{n}" for n in range(300)])


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGSTOP])
def test_an_engine_core_that_dies_or_hangs_is_replaced(
    api: Api, vllm_stack: Stack, signum: int
):
    ids = [f"l{n}" for n in range(400)]
    lines = [tiny(i, f"tell {i}", max_tokens=100, ignore_eos=True) for i in ids]
    batch_id = api.mk(api.up(jsonl(*lines)).id).id
    while api.batch(batch_id)["request_counts"]["completed"] < 30:
        time.sleep(0.1)
    (before,) = engine_cores(vllm_stack)

    os.kill(before.pid, signum)

    batch = api.wait(batch_id, seconds=300)
    assert batch["request_counts"] == {"total": 400, "completed": 400, "failed": 0}
    api.union(batch, ids)
    (after,) = engine_cores(vllm_stack)
    assert after.pid != before.pid
