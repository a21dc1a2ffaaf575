"""Three real models, one worker, two projects: few swaps, no deadline missed."""

import math
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.client import Api, answer, jsonl, line
from tests.marks import REAL_VLLM
from tests.rig.stack import Stack

pytestmark = [
    *REAL_VLLM,
    pytest.mark.timeout(900),
]

MODELS = ("tiny-a", "tiny-b", "tiny-c")
WINDOWS = ("24h", "30m", "10m", "24h")
LINES = 40
# G10: at most 1.2 times the swaps of the best order, which loads each model once.
MOST_SWAPS = math.floor(1.2 * (len(MODELS) - 1))
ENTRY = """
[[model]]
name = "{name}"
engine = "vllm"
source = "{folder}"

[model.engine_args]
max_model_len = 256
max_num_seqs = 32
enforce_eager = true
"""


@pytest.fixture(scope="module")
def stack(
    tiny_model: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    """A stack with three models, whose worker does not run yet."""
    folder: Path = tmp_path_factory.mktemp("models")
    for name in MODELS:
        shutil.copytree(tiny_model, folder / name)
    stack = Stack(
        VLLM_CPU_KVCACHE_SPACE="1",
        HF_HUB_OFFLINE="1",
        BATCH_COMPLETION_WINDOWS="24h,30m,10m",
    )
    with stack.watched():
        stack.prepare()
        toml = (ENTRY.format(name=name, folder=folder / name) for name in MODELS)
        stack.load_models("".join(toml))
        stack.start_web()
        yield stack


def order(api: Api, model: str, number: int) -> str:
    """Create a batch of one model's lines."""
    items = [
        line(f"{n}", f"Tell me about {n}", model=model, max_tokens=8, ignore_eos=True)
        for n in range(LINES)
    ]
    file = api.up(jsonl(*items))
    batch: Any = api.client.batches.create(
        input_file_id=file.id,
        endpoint="/v1/chat/completions",
        completion_window=WINDOWS[number],  # type: ignore[arg-type]
    )
    return str(batch.id)


@pytest.fixture
def projects(stack: Stack) -> Iterator[list[Api]]:
    """Two projects' clients."""
    found = [Api(stack.base_url, stack.new_key()) for _ in range(2)]
    yield found
    for api in found:
        api.http.close()
        api.client.close()


def test_twelve_batches_of_two_projects_share_the_gpu(
    stack: Stack, projects: list[Api]
):
    batches = [
        (api, order(api, model, 2 * number + index))
        for number in range(2)
        for index, api in enumerate(projects)
        for model in MODELS
    ]
    assert len(batches) == 12

    worker = stack.start_worker()

    for api, batch_id in batches:
        batch = api.wait(batch_id, seconds=600)
        assert batch["status"] == "completed", batch
        assert batch["completed_at"] <= batch["expires_at"]
        records = api.union(batch, [f"{n}" for n in range(LINES)])
        assert all(answer(record) for _, record in records.values())
    loads = re.findall(r"loading (tiny-\w)", worker.output())
    assert set(loads) == set(MODELS)
    assert len(loads) - 1 <= MOST_SWAPS, loads
    print(f"{len(batches)} batches, {len(loads) - 1} swaps, at most {MOST_SWAPS}")
