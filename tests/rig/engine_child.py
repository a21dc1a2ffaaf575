"""Stands for the process vLLM starts for its engine: it leaves the worker's group.

It holds the slot's one lock, and tells if another engine held it at the same time.
"""

import fcntl
import os
import signal
import sys
import time
from pathlib import Path


def main(folder: Path, slot: str) -> None:
    """Live on until somebody sends SIGKILL."""
    os.setsid()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with open(folder / f"engine-{slot}", "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            (folder / f"two-engines-{slot}").touch()
        while True:
            time.sleep(60)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
