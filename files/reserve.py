"""The disk's reserve: what nobody may fill, so that what was accepted can be finished.

Databases and results need room on the same disk, so new work is refused before the last
bytes are gone: uploads are answered with 507, and workers pause.
"""

from files.stores import store
from vllm_batch.lib.conf import conf


def free_bytes() -> int | None:
    """Return what is left where files go; None if that is not a disk here."""
    return store().free_bytes()


def is_reached(extra: int = 0) -> bool:
    """Tell whether `extra` more bytes would touch `DISK_RESERVE_BYTES`."""
    free = free_bytes()
    return free is not None and free - extra < conf().DISK_RESERVE_BYTES


def why_no_results() -> str:
    """Return why a result would find no place just now; empty if it would."""
    if is_reached():
        return "the disk is full down to its reserve; free some space"
    return store().trouble()
