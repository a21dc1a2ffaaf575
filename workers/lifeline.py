"""A dead-man signal: a process that ends as soon as its parent does.

Without it, killing django-q2's main process leaves its worker running beside the
next one (reliability §2.3).
"""

import ctypes
import signal

_PR_SET_PDEATHSIG = 1


def end_with_parent() -> None:
    """Ask the kernel for SIGKILL when the parent dies (Linux; nothing elsewhere)."""
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    except (OSError, AttributeError):
        return
