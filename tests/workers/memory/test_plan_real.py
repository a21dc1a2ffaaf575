"""The plan's KV cache against the real vLLM's, on the CPU.

Gemma 3 270M is compared where it lies in var/models/gemma; `python
demo/gemma_from_pypi.py var/models/gemma` puts it there. It is skipped elsewhere, CI
included; what the engine said of it once is in test_plan_kv_cache.py.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.marks import REAL_VLLM
from tests.rig.process import ROOT
from workers.memory.kv_cache import CacheSettings, KvCache, divide, element_bytes
from workers.memory.sources import Source, read_model
from workers.memory.weights import Loading, weigh

pytestmark = [
    *REAL_VLLM,
    pytest.mark.timeout(600),
]

GIB = 1 << 30
TOLERANCE = 0.05
GEMMA = ROOT / "var" / "models" / "gemma"
needs_gemma = pytest.mark.skipif(
    not (GEMMA / "model.safetensors").exists(),
    reason="no Gemma in var/models/gemma: demo/gemma_from_pypi.py puts it there",
)
# A CPU's scheduler does not plan ahead, and its blocks have 128 tokens.
FIXED = {"max_num_seqs": 16, "enforce_eager": True}


def ask_vllm(folder: Path, gib: int, args: dict[str, Any], data: Path) -> Any:
    """Start the engine in a process of its own; return what it says of its cache."""
    ended = subprocess.run(
        [
            sys.executable,
            "-m",
            "tests.workers.memory.kv_cache_probe",
            str(folder),
            json.dumps({**FIXED, **args}),
        ],
        cwd=ROOT,
        env={
            **os.environ,
            "VLLM_CPU_KVCACHE_SPACE": str(gib),
            "HF_HUB_OFFLINE": "1",
            "DATABASE_URL": "",
            "DATA_DIR": str(data),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    answers = [line for line in ended.stdout.splitlines() if line.startswith("{")]
    assert answers, ended.stdout[-3000:] + ended.stderr[-3000:]
    return json.loads(answers[-1])


def planned(folder: Path, gib: int, args: dict[str, Any]) -> KvCache:
    config = read_model(Source("a", str(folder))).config
    settings = CacheSettings(
        max_model_len=args["max_model_len"],
        block_size=args.get("block_size", 128),
        in_flight=args["max_num_batched_tokens"],
        element_bytes=element_bytes(config, args.get("kv_cache_dtype", "auto")),
    )
    return divide(config, gib * GIB, settings)


def compare(folder: Path, gib: int, args: dict[str, Any], data: Path) -> None:
    said, found = ask_vllm(folder, gib, args, data), planned(folder, gib, args)

    print(f"\n{folder.name} {gib} GiB {args}: vLLM {said}, planned {found.tokens}")
    assert said["block_size"] == found.settings.block_size
    assert found.blocks == pytest.approx(said["blocks"], rel=TOLERANCE)
    assert found.tokens == pytest.approx(said["tokens"], rel=TOLERANCE)


@pytest.mark.parametrize(
    ("gib", "args"),
    [
        (1, {"max_model_len": 512, "max_num_batched_tokens": 1024}),
        (2, {"max_model_len": 2000, "max_num_batched_tokens": 1024, "block_size": 32}),
    ],
)
def test_the_tiny_models_cache_is_as_planned(tiny_model, tmp_path, gib, args):
    compare(tiny_model, gib, args, tmp_path)


@needs_gemma
@pytest.mark.parametrize(
    ("gib", "args"),
    [
        (1, {"max_model_len": 1024, "max_num_batched_tokens": 2048}),
        (2, {"max_model_len": 8192, "max_num_batched_tokens": 1024, "block_size": 32}),
    ],
)
def test_gemmas_cache_with_sliding_windows_is_as_planned(tmp_path, gib, args):
    compare(GEMMA, gib, args, tmp_path)


def test_the_tiny_models_weights_are_those_of_its_file(tiny_model):
    found = weigh(read_model(Source("a", str(tiny_model))), Loading())
    size = (tiny_model / "model.safetensors").stat().st_size
    assert found.bytes == 2 * found.parameters
    assert found.bytes == pytest.approx(size, rel=0.01)
