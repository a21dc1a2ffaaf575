"""Points in our code where fault tests make it fail.

They do nothing unless VLLM_BATCH_FAULTS names a folder when the process starts; only
tests set it. A file there that is named like a point holds `NTH ACTION`: what happens
when the point is passed for the NTH time (`*`: each time), counted over all processes.
"""

import os
import signal
import threading
import time
from pathlib import Path

_folder = os.environ.get("VLLM_BATCH_FAULTS", "")


def fault(point: str) -> bool:
    """Fail here if a test asks for it; True means: skip what the point guards."""
    return bool(_folder) and _strike(Path(_folder) / point)


def _strike(plan: Path) -> bool:
    try:
        nth, action, *details = plan.read_text().split()
    except (FileNotFoundError, ValueError):
        return False
    if nth not in ("*", str(_count(plan.with_name(f"{plan.name}.hits")))):
        return False
    if action == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif action == "stop":
        # To this thread: it would run on a little if another one got the signal.
        signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)
    elif action == "sleep":
        time.sleep(float(details[0]))
    elif action == "raise":
        raise OSError(f"a test wants {plan.name} to fail")
    return action == "skip"


def _count(path: Path) -> int:
    """Note one more pass, by any process, and return how many there were."""
    with open(path, "ab") as file:
        file.write(b".")
        file.flush()
        return file.tell()
