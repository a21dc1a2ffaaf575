"""Ties between processes: a child that dies with its parent, a parent that adopts.

Without them, killing django-q2's main process leaves its worker running beside the
next one, and killing a worker leaves its engine on the GPU (reliability §2.3). Linux
only; elsewhere nothing happens. No Django here: the keeper uses this too.
"""

import ctypes
import os
import signal

from workers.supervising.births import announce

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36


def end_with_parent(parent: int) -> None:
    """Ask the kernel for SIGKILL when the parent dies, or end now if it is dead."""
    if _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL) and os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent dies.

    So none gets out of sight, not even one that left its group and its session.
    """
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def tie_forks() -> None:
    """Let this process, and all it forks from now on, end with their parents.

    Each fork also tells the keeper of itself, before it does anything.
    """
    parents: list[int] = [os.getppid()]
    end_with_parent(parents[0])

    def begin() -> None:
        announce()
        end_with_parent(parents[0])

    os.register_at_fork(
        before=lambda: parents.__setitem__(0, os.getpid()), after_in_child=begin
    )


def make_ticket() -> int:
    """Return a pipe's end with one ticket in it, for forked processes to share."""
    read_end, write_end = os.pipe()
    os.write(write_end, b"1")
    os.set_blocking(read_end, False)
    return read_end


def wait_without_ticket(descriptor: int) -> None:
    """Return for the first caller of all processes; the others wait to be killed.

    django-q2 replaces a killed worker at once, beside the engine that one left. The
    new one must do nothing until the keeper has ended them both.
    """
    try:
        if os.read(descriptor, 1):
            return
    except BlockingIOError:
        pass
    while True:
        signal.pause()


def _prctl(option: int, value: int) -> bool:
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        return bool(libc.prctl(option, value, 0, 0, 0) == 0)
    except (OSError, AttributeError):
        return False
