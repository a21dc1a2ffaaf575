"""Look at a process and everything that descends from it, through Linux's /proc.

Elsewhere a process seems to have no descendants, and only groups can be ended. No
Django here: the keeper uses this too.
"""

import os
import signal
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")


@dataclass(frozen=True)
class Member:
    """A process. Its pid may be another one's later, pid and start never are."""

    pid: int
    started: int
    parent: int
    is_zombie: bool

    @property
    def title(self) -> str:
        """Its command line, or what it calls itself instead; empty if it is gone."""
        try:
            line = (_PROC / str(self.pid) / "cmdline").read_bytes()
        except OSError:
            return ""
        return line.replace(b"\0", b" ").decode(errors="replace").strip()


def find(pid: int) -> Member | None:
    """Return the process with this pid, or None."""
    try:
        text = (_PROC / str(pid) / "stat").read_text(errors="replace")
    except OSError:
        return None
    # The name may hold blanks and brackets; it ends at the last bracket.
    fields = text.rpartition(")")[2].split()
    return Member(
        pid=pid,
        started=int(fields[19]),
        parent=int(fields[1]),
        is_zombie=fields[0] in "ZX",
    )


def descendants(pid: int) -> list[Member]:
    """Return the children of a process, their children and so on."""
    found: list[Member] = []
    waiting = [pid]
    while waiting:
        children = _children(waiting.pop())
        found += children
        waiting += [child.pid for child in children]
    return found


def _children(pid: int) -> list[Member]:
    """Return a process's children, of whichever of its threads."""
    task = _PROC / str(pid) / "task"
    pids: set[str] = set()
    with suppress(OSError):
        for thread in os.listdir(task):
            with suppress(OSError):
                pids.update((task / thread / "children").read_text().split())
    if not pids and not _HAS_CHILDREN:
        return _children_by_scan(pid)
    members = [find(int(child)) for child in pids]
    return [member for member in members if member and member.parent == pid]


def _children_by_scan(pid: int) -> list[Member]:
    """Return a process's children on a kernel that does not list them."""
    pids = [name for name in os.listdir(_PROC) if name.isdigit()]
    members = [find(int(name)) for name in pids]
    return [member for member in members if member and member.parent == pid]


# Some kernels are built without CONFIG_PROC_CHILDREN.
_HAS_CHILDREN = (
    not _PROC.exists()
    or (_PROC / "self" / "task" / str(os.getpid()) / "children").exists()
)


def end(members: Iterable[Member]) -> None:
    """Send SIGKILL to those that are still the same processes."""
    for member in members:
        if is_there(member):
            with suppress(ProcessLookupError, PermissionError):
                os.kill(member.pid, signal.SIGKILL)


def is_there(member: Member) -> bool:
    """Tell whether this very process still runs."""
    now = find(member.pid)
    return now is not None and now.started == member.started and not now.is_zombie
