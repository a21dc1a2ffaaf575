"""Ask a probe: a program that has the real engine to itself and prints what it says."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.rig.process import ROOT

SIGN = "PROBE "


def probe(name: str, model: Path, **environment: str) -> dict[str, Any]:
    """Run one of this folder's probes on a model; return its rows by their names."""
    own = {"VLLM_CPU_KVCACHE_SPACE": "1", "HF_HUB_OFFLINE": "1", **environment}
    ended = subprocess.run(
        [sys.executable, "-m", f"tests.workers.engines.{name}", str(model)],
        cwd=ROOT,
        env={**os.environ, **own},
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stderr[-3000:]
    rows = [
        json.loads(text.removeprefix(SIGN))
        for text in ended.stdout.splitlines()
        if text.startswith(SIGN)
    ]
    return {row["name"]: row for row in rows}
