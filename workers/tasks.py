"""What the GPU queue runs. This module stays light: engines load in the slot."""

import os

from vllm_batch.lib.conf import conf
from workers.slots.slot import DRAIN_FD, PRELOAD, Slot

_slot: Slot | None = None


def serve() -> None:
    """Answer the doorbell: serve what waits, on this process's one slot."""
    global _slot
    if _slot is None:
        drain_fd = os.environ.get(DRAIN_FD)
        _slot = Slot(
            conf().WORKER_SLOT,
            int(drain_fd) if drain_fd else None,
            os.environ.get(PRELOAD, ""),
        )
    _slot.serve()
