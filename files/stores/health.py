"""Whether the object store answers, as this process last saw it."""

import logging
import threading
from collections.abc import Callable

from vllm_batch.lib.errors import StorageAway

logger = logging.getLogger(__name__)

FIRST_SECONDS, LONGEST_SECONDS = 1.0, 10.0


class Health:
    """Remembers the store's last fault until a call succeeds.

    Who waits for the store calls it no more. So a thread does, from a fault on until
    one call succeeds, at growing intervals.
    """

    def __init__(self, probe: Callable[[], None]) -> None:
        self._probe = probe
        self._reason = ""
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def note(self, reason: str) -> None:
        """Take note of a call's fault; empty for one that succeeded."""
        if reason == self._reason:
            return
        if not reason:
            logger.info("the object store answers again")
        elif not self._reason:
            logger.warning("%s", reason)
        self._reason = reason

    @property
    def reason(self) -> str:
        """Why the last call failed; empty if it succeeded."""
        if self._reason:
            self._watch()
        return self._reason

    def _watch(self) -> None:
        with self._lock:
            # Threads do not survive a fork: then it is not alive.
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._ask, daemon=True)
                self._thread.start()

    def _ask(self) -> None:
        seconds = FIRST_SECONDS
        wait = threading.Event().wait
        while self._reason:
            wait(seconds)
            try:
                self._probe()
            except StorageAway:
                seconds = min(2 * seconds, LONGEST_SECONDS)
