"""The models the real engine runs: tiny, random, made when first needed."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.rig.process import ROOT

# What `run-batch`, `LLM` and we get alike; 256 and 8,192 are `LLM`'s own defaults.
ENGINE_ARGS: dict[str, Any] = {
    "max_model_len": 1024,
    "max_num_seqs": 256,
    "max_num_batched_tokens": 8192,
    "enforce_eager": True,
    "gpu_memory_utilization": 0.2,
}


def tiny() -> str:
    """Return the folder of the demo's tiny model."""
    return _made("tiny", str(ROOT / "demo" / "make_tiny_model.py"))


def long() -> str:
    """Return the folder of a wider one with room for few-shot prompts."""
    return _made("long", "-m", "bench.long_model")


def _made(name: str, *script: str) -> str:
    folder = Path(os.environ["DATA_DIR"]) / "models" / name
    if not folder.exists():
        command = [sys.executable, *script, str(folder)]
        subprocess.run(command, check=True, cwd=ROOT, stderr=subprocess.DEVNULL)
    return str(folder)
