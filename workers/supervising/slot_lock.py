"""The machine-wide lock of a GPU slot: two engines must not share a GPU."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

from django.core.management.base import CommandError

from vllm_batch.lib.conf import conf
from workers.hosts import gpu_name, host_name

# What a killed worker leaves needs a moment to end.
LEFTOVER_SECONDS = 15.0


@contextmanager
def slot_lock(slot: str) -> Iterator[int]:
    """Hold the slot's lock; yields its descriptor, for processes that hold it too.

    Raises CommandError if a worker that is alive holds it.
    """
    folder = conf().DATA_DIR / "slots"
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(
        folder / f"{gpu_name(slot)}.lock", os.O_RDWR | os.O_CREAT, 0o644
    )
    try:
        _take(descriptor, slot)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield descriptor
    finally:
        os.close(descriptor)


def _take(descriptor: int, slot: str) -> None:
    ends_at = time.monotonic() + LEFTOVER_SECONDS
    while True:
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > ends_at or _holder_lives(descriptor):
                raise CommandError(
                    f"Slot {slot} already has a worker on this machine ({host_name()})."
                    " Stop it first, or name another slot with --slot."
                ) from None
        time.sleep(0.1)


def _holder_lives(descriptor: int) -> bool:
    """Tell whether the runworker that took the lock runs, not only what it left."""
    text = os.pread(descriptor, 20, 0).decode(errors="replace")
    try:
        os.kill(int(text), 0)
    except (ValueError, ProcessLookupError):
        return not text.isdigit()
    except PermissionError:
        return True
    return True
