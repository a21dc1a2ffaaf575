"""Read the slot's card again and again, in a thread nobody waits for.

A call of NVML may hang, so nobody asks the thread: it leaves its last verdict, and a
verdict that grows old is one that nobody knows.
"""

import logging
import os
import threading
import time
from collections.abc import Callable
from typing import Any

from vllm_batch.lib.conf import conf
from workers.gpu.nvml import Card, CardLost, CardSilent, NoCard, chosen_device
from workers.gpu.policy import History, Limits, Policy, State, Verdict
from workers.gpu.reading import Reading
from workers.supervising import family

logger = logging.getLogger(__name__)

# So many readings may be missing before nobody knows how the card is.
MISSES = 6
# Where there was no card, a driver may be installed, but not often.
ABSENT_SECONDS = 60.0
LISTEN_MILLISECONDS = 500


class CardWatch(threading.Thread):
    """Knows what the slot's card may do; without a card, everything."""

    def __init__(
        self,
        device: str = "",
        *,
        remembered: object = None,
        is_loaded: Callable[[], bool] = lambda: False,
    ) -> None:
        """Watch a card by index or UUID.

        `remembered` is what `as_json` returned in an earlier process; `is_loaded` tells
        whether an engine of this slot holds, or is about to take, the card's memory.
        """
        super().__init__(name="gpu", daemon=True)
        self._device = device
        self._is_loaded = is_loaded
        self._policy = Policy(limits(), _history(remembered))
        self._verdict = Verdict()
        if self._policy.history.drained:
            self._verdict = self._policy.drain("")
        self._reading: Reading | None = None
        self._card: Card | None = None
        # Until it looks: one that is never started has nothing against any line.
        self._is_absent = True
        self._trouble = ""
        self._read_at = time.monotonic()
        self._restart = ""
        self._ended = threading.Event()

    def run(self) -> None:
        """Read and listen until the end."""
        if not conf().GPU_WATCH:
            return
        self._is_absent, self._read_at = False, time.monotonic()
        xids: list[int] = []
        while not self._ended.is_set():
            try:
                self._look(xids)
                xids = self._listen(self._ended.wait)
            except NoCard as none:
                self._note_absent(none)
            except CardLost as lost:
                self._note(self._policy.drain(f"the GPU is lost ({lost})"))
                self._read_at = time.monotonic()
                self._close(lost)
            except CardSilent as silent:
                self._close(silent)

    def _look(self, xids: list[int]) -> None:
        card = self._card = self._card or Card(chosen_device(self._device))
        reading = card.read()
        ours = {os.getpid(), *(one.pid for one in family.descendants(os.getpid()))}
        now = time.monotonic()
        verdict = self._policy.judge(
            reading, now, ours=ours, is_loaded=self._is_loaded(), xids=xids
        )
        self._is_absent, self._trouble = False, ""
        self._reading, self._read_at = reading, now
        self._note(verdict)

    def _listen(self, wait: Callable[[float], object]) -> list[int]:
        """Wait until the next reading is due, or the driver reports an error."""
        card, ends_at = self._card, time.monotonic() + conf().GPU_READ_SECONDS
        while card and not self._ended.is_set():
            left = ends_at - time.monotonic()
            if left <= 0:
                break
            milliseconds = max(1, min(LISTEN_MILLISECONDS, round(left * 1000)))
            found = card.xids(milliseconds)
            if found is None:
                wait(left)
            elif found:
                logger.warning("the driver reports Xid %s", found)
                return found
        return []

    def _note(self, verdict: Verdict) -> None:
        if verdict.restart:
            self._restart = verdict.restart
        told = (self._verdict.state, self._verdict.warning)
        if (verdict.state, verdict.warning) != told:
            text = verdict.reason or verdict.warning
            logger.warning("the GPU is %s%s", verdict.state, text and f": {text}")
        self._verdict = verdict

    def _note_absent(self, none: NoCard) -> None:
        if self._reading is not None:  # it was there a moment ago
            self._note(self._policy.drain(f"the GPU is gone ({none})"))
        elif not self._is_absent:
            logger.info("no GPU: %s", none)
        self._is_absent, self._read_at = True, time.monotonic()
        self._ended.wait(ABSENT_SECONDS)

    def _close(self, why: Exception) -> None:
        """Open the card anew next time."""
        if str(why) != self._trouble:
            logger.warning("the GPU gave no reading: %s", why)
        self._card, self._trouble = None, str(why)
        self._ended.wait(conf().GPU_READ_SECONDS)

    def verdict(self) -> Verdict:
        """Return what the card may do; never waits."""
        verdict, silence = self._verdict, time.monotonic() - self._read_at
        if verdict.state == State.DRAINED or self._is_absent:
            return verdict
        if silence <= MISSES * conf().GPU_READ_SECONDS:
            return verdict
        trouble = self._trouble or "its driver hangs"
        return Verdict(
            state=State.UNKNOWN, reason=f"NVML tells nothing of the GPU: {trouble}"
        )

    def take_restart(self) -> str:
        """Return, once, why the engine has to be built again; "" if it need not."""
        restart, self._restart = self._restart, ""
        return restart

    def forget_errors(self) -> None:
        """Ask for no restart: the engine is built again now, for whatever reason."""
        self._restart = ""

    def as_json(self) -> dict[str, Any]:
        """Return reading and verdict for the heartbeat; {}: no GPU."""
        verdict, reading = self.verdict(), self._reading
        if reading is None and verdict.state == State.OK:
            return {}
        history = self._policy.history
        told: dict[str, Any] = reading.as_json() if reading else {}
        told |= {"state": verdict.state.value, "reason": verdict.reason}
        told |= {"warning": verdict.warning} if verdict.warning else {}
        told |= {"share": verdict.share} if verdict.share < 1 else {}
        told |= {"errors_at": history.errors_at} if history.errors_at else {}
        return told

    def end(self) -> None:
        """Stop reading. A thread that hangs in the driver is left behind."""
        self._ended.set()
        if self.is_alive():
            self.join(2 * LISTEN_MILLISECONDS / 1000)


def limits() -> Limits:
    """Return the policy's limits as they are set."""
    return Limits(
        pause_celsius=conf().GPU_PAUSE_CELSIUS,
        resume_celsius=conf().GPU_RESUME_CELSIUS,
        pause_seconds=conf().GPU_PAUSE_SECONDS,
        resume_seconds=conf().GPU_RESUME_SECONDS,
        strangers_percent=conf().GPU_STRANGERS_PERCENT,
    )


def _history(told: object) -> History:
    """Return what an earlier process of this worker told, if it told anything."""
    if not isinstance(told, dict):
        return History()
    drained = told.get("reason", "") if told.get("state") == State.DRAINED else ""
    return History(drained=drained, errors_at=list(told.get("errors_at", ())))
