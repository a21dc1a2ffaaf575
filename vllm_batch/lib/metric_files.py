"""The folders in which processes that belong together count.

A server and a worker are several processes each. prometheus_client lets each of them
count in a file of its own, so what a killed process has counted stays. It looks for the
folder once, when it is first imported: so this module is imported before it and does
not import it itself.
"""

import os
import re
import shutil
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
# Of as many dead processes the counts are kept: more would make a scrape slow.
MOST_DEAD = 200
_PID = re.compile(r"_(\d+)\.db$")


def begin(folder: Path) -> Path:
    """Return the folder, new and empty; who counts already there goes on."""
    if os.environ.get(FOLDER) != str(folder):
        shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def begin_server(folder: Path, host: str) -> Path:
    """Let this process and its children count, and forget servers that are gone."""
    for old in folder.glob(f"web.{host}.*"):
        pid = old.name.rpartition(".")[2]
        if pid.isdecimal() and not is_alive(int(pid)):
            shutil.rmtree(old, ignore_errors=True)
    own = begin(folder / f"web.{host}.{os.getpid()}")
    os.environ[FOLDER] = str(own)
    return own


def forget_dead(folder: Path, *, most: int = MOST_DEAD) -> None:
    """Take away what only holds while a process lives, and the counts of very many."""
    dead = [file for file in folder.glob("*.db") if not _is_in_use(file)]
    for file in dead:
        if file.name.startswith("gauge_live"):
            _remove([file])
    pids = sorted({_PID.findall(file.name)[0] for file in dead}, key=int)
    for pid in pids[: max(0, len(pids) - most)]:
        _remove(folder.glob(f"*_{pid}.db"))


def _is_in_use(file: Path) -> bool:
    found = _PID.search(file.name)
    return found is None or is_alive(int(found[1]))


def _remove(files: Iterable[Path]) -> None:
    for file in files:
        with suppress(FileNotFoundError):
            file.unlink()


def is_alive(pid: int) -> bool:
    """Tell whether a process with this number runs on this machine."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
