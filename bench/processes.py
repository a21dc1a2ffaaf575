"""What processes and their descendants have used so far, from Linux's /proc."""

import os
from contextlib import suppress
from pathlib import Path

from workers.supervising import family

_TICK = os.sysconf("SC_CLK_TCK")


def tree_cpu(*pids: int) -> float:
    """Return the processor seconds of processes and all their descendants."""
    return sum(_cpu(pid) for root in pids for pid in tree(root))


def tree(pid: int) -> list[int]:
    """Return a process and its living descendants."""
    return [pid, *(member.pid for member in family.descendants(pid))]


def _cpu(pid: int) -> float:
    with suppress(OSError):
        words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return sum(map(int, words[11:15])) / _TICK
    return 0.0


def peak_memory(*pids: int) -> int:
    """Return the largest peak of resident bytes among processes and descendants."""
    return max(_peak(pid) for root in pids for pid in tree(root))


def _peak(pid: int) -> int:
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return 0
