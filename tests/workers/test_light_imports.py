"""Heavy libraries are loaded by the engine that needs them, and by nothing else."""

import os
import subprocess
import sys

import pytest

from tests.rig.process import ROOT

HEAVY = ["vllm", "torch", "transformers", "ray", "aiohttp", "numpy"]
SCRIPT = """
import sys
import django
django.setup()
import {module}
print(" ".join(name for name in {heavy} if name in sys.modules))
"""


@pytest.mark.parametrize(
    "module",
    [
        "workers.tasks",
        "workers.supervising.supervisor",
        "batches.tasks",
        "vllm_batch.wsgi",
    ],
)
def test_importing_it_loads_no_heavy_library(module, tmp_path):
    script = SCRIPT.format(module=module, heavy=HEAVY)
    settings = {"DJANGO_SETTINGS_MODULE": "vllm_batch.settings"}
    extra = {**settings, "DATA_DIR": str(tmp_path), "DATABASE_URL": ""}

    ended = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env={**os.environ, **extra},
        capture_output=True,
        text=True,
        check=True,
    )

    assert ended.stdout.split() == []
