"""A plugin for pytest-xdist: each of its processes has a DATA_DIR of its own.

Loaded by `-p tests.rig.parallel`, before Django reads its settings.
"""

import os
from pathlib import Path

if worker := os.environ.get("PYTEST_XDIST_WORKER"):
    folder = Path(os.environ["DATA_DIR"]) / worker
    folder.mkdir(exist_ok=True)
    os.environ["DATA_DIR"] = str(folder)
