"""May the card take more work? Pure: readings and times in, verdicts out.

Figures are those of evidence/reliability.md §3.2; `Limits` come from the settings.
Times are seconds of a clock that never goes back and that all processes share, such as
`time.monotonic()`.
"""

from collections import deque
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from workers.gpu.reading import Reading
from workers.gpu.xids import DRAIN, RESTART

# Thermal slowdown by software or hardware, and the power brake. A power cap is normal.
SLOWDOWN_BITS = 0x20 | 0x40 | 0x80
SAMPLES, BAD_SAMPLES = 10, 6
HOUR, DAY = 3600.0, 86_400.0
# So many pauses in an hour show that the card cannot carry a full window.
MOST_PAUSES = 3
# A desktop takes some hundred MB of any card.
LEAST_STRANGERS_BYTES = 2 << 30
# For a card that does not tell its own slowdown temperature.
USUAL_SLOWDOWN = 88
PAUSE_MARGIN, RESUME_MARGIN = 3, 12


class State(StrEnum):
    """What the card is fit for."""

    OK = "ok"
    # Its memory is in use: no model may be loaded; one that is there may run.
    TAKEN = "taken"
    # It wants a reset: what runs may end, no model may be loaded.
    ENDING = "ending"
    PAUSED = "paused"
    # Nobody knows: NVML does not answer.
    UNKNOWN = "unknown"
    # Broken, until a human says otherwise.
    DRAINED = "drained"


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Temperatures in °C, 0: from the card; times in seconds; memory in per cent."""

    pause_celsius: int = 0
    resume_celsius: int = 0
    pause_seconds: float = 30
    resume_seconds: float = 60
    strangers_percent: float = 5

    def pause_at(self, reading: Reading) -> int:
        """Return from which temperature on the card pauses."""
        slowdown = reading.slowdown_celsius or USUAL_SLOWDOWN
        return self.pause_celsius or slowdown - PAUSE_MARGIN

    def resume_at(self, reading: Reading) -> int:
        """Return at which temperature it may go on: cooler than it pauses, always."""
        pause_at = self.pause_at(reading)
        wanted = self.resume_celsius or pause_at - (RESUME_MARGIN - PAUSE_MARGIN)
        return min(wanted, pause_at - 1)


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What the card may do, why not more, and how much of the window it can carry."""

    state: State = State.OK
    reason: str = ""
    share: float = 1.0
    # Why the engine has to be built again: what is out at it is not to be trusted.
    restart: str = ""
    # What a human should know although work goes on.
    warning: str = ""

    @property
    def may_run(self) -> bool:
        """Tell whether new lines may start on a model that is loaded."""
        return self.state in (State.OK, State.TAKEN, State.ENDING)

    @property
    def may_load(self) -> bool:
        """Tell whether a model may be loaded."""
        return self.state == State.OK


@dataclass
class Hysteresis:
    """On after it was bad for so long without a gap, off after it was good for so long.

    What is neither keeps it as it is, and starts both times anew.
    """

    on_seconds: float
    off_seconds: float
    is_on: bool = False
    _since: float | None = None

    def note(self, now: float, *, is_bad: bool, is_good: bool) -> bool:
        """Take what is seen now; return whether it is on."""
        if not (is_good if self.is_on else is_bad):
            self._since = None
            return self.is_on
        if self._since is None:
            self._since = now
        seconds = self.off_seconds if self.is_on else self.on_seconds
        if now - self._since >= seconds:
            self.is_on, self._since = not self.is_on, None
        return self.is_on


@dataclass
class History:
    """What outlives the worker's process: why the card is drained, its errors."""

    drained: str = ""
    errors_at: list[float] = field(default_factory=list)


class Policy:
    """Judges one card, reading after reading."""

    def __init__(self, limits: Limits, history: History | None = None) -> None:
        self.history = history or History()
        self._limits = limits
        self._heat = Hysteresis(limits.pause_seconds, limits.resume_seconds)
        self._slowdown = Hysteresis(0, limits.resume_seconds)
        self._samples: deque[bool] = deque(maxlen=SAMPLES)
        self._pauses: deque[float] = deque(maxlen=MOST_PAUSES)
        self._is_paused = False
        self._ecc: int | None = None

    def judge(
        self,
        reading: Reading,
        now: float,
        *,
        ours: Collection[int] = (),
        is_loaded: bool = False,
        xids: Iterable[int] = (),
    ) -> Verdict:
        """Judge the card by a reading and the Xids since the last one.

        `ours` are the slot's own processes; `is_loaded`: one of them holds a model.
        """
        restart = self._of_xids(xids) or self._of_ecc(reading, now)
        if reading.is_remap_failed:
            self.drain("a damaged memory row could not be replaced")
        pause = self._of_heat(reading, now)
        if self.history.drained:
            return self.drain("")
        strangers = self._of_strangers(reading, ours, is_loaded=is_loaded)
        warning, reason, state = strangers, "", State.OK
        if pause:
            state, reason = State.PAUSED, pause
        elif strangers and not is_loaded:
            state, reason = State.TAKEN, strangers
        elif reading.is_remap_pending:
            state = State.ENDING
            reason = warning = "a damaged memory row waits for a reset of the card"
        return Verdict(
            state=state,
            reason=reason,
            share=self._share(now),
            restart=restart,
            warning=warning,
        )

    def drain(self, reason: str) -> Verdict:
        """Give the card up, for the first reason there was."""
        self.history.drained = self.history.drained or reason
        return Verdict(state=State.DRAINED, reason=self.history.drained)

    def _of_xids(self, xids: Iterable[int]) -> str:
        """Return why the engine has to be built again, "" if nothing tells so."""
        restart = ""
        for xid in xids:
            if xid in DRAIN:
                self.drain(f"the driver reported {DRAIN[xid]} (Xid {xid})")
            elif xid in RESTART:
                restart = f"the driver reported {RESTART[xid]} (Xid {xid})"
        return restart

    def _of_ecc(self, reading: Reading, now: float) -> str:
        before, count = self._ecc, reading.ecc_uncorrected
        self._ecc = count
        # A count that fell starts anew: the driver was loaded again.
        if before is None or count is None or count <= before:
            return ""
        errors = [at for at in self.history.errors_at if now - at < DAY]
        self.history.errors_at = [*errors, now]
        if errors:
            self.drain("uncorrectable memory errors, twice within 24 hours")
        return "the card's memory had an uncorrectable error"

    def _of_heat(self, reading: Reading, now: float) -> str:
        celsius = reading.celsius
        pause_at = self._limits.pause_at(reading)
        is_hot = self._heat.note(
            now,
            is_bad=celsius is not None and celsius >= pause_at,
            is_good=celsius is None or celsius <= self._limits.resume_at(reading),
        )
        is_slow = bool((reading.clock_reasons or 0) & SLOWDOWN_BITS)
        self._samples.append(is_slow)
        is_slowed = self._slowdown.note(
            now, is_bad=sum(self._samples) >= BAD_SAMPLES, is_good=not is_slow
        )
        was_paused, self._is_paused = self._is_paused, is_hot or is_slowed
        if self._is_paused and not was_paused:
            self._pauses.append(now)
        if is_hot:
            resume_at = self._limits.resume_at(reading)
            return f"the GPU is at {celsius} °C; it goes on at {resume_at} °C"
        if is_slowed:
            words = ", ".join(reading.clock_words) or "clocks that just recovered"
            return f"the GPU protects itself: {words}"
        return ""

    def _share(self, now: float) -> float:
        recent = [at for at in self._pauses if now - at < HOUR]
        return 0.5 if len(recent) >= MOST_PAUSES else 1.0

    def _of_strangers(
        self, reading: Reading, ours: Collection[int], *, is_loaded: bool
    ) -> str:
        """Return that others hold too much of the card's memory, and who; or ""."""
        listed = [p for p in reading.processes or () if p.pid not in ours]
        held = sum(process.bytes or 0 for process in listed)
        if not is_loaded:
            # Nothing of ours is there. Containers and Windows hide others' processes.
            held = max(held, reading.memory_used or 0)
        total = reading.memory_total or 0
        limit = max(LEAST_STRANGERS_BYTES, total * self._limits.strangers_percent / 100)
        if not total or held <= limit:
            return ""
        pids = ", ".join(str(process.pid) for process in listed[:3]) or "not shown"
        gib = 1 << 30
        return (
            f"others hold {held / gib:.1f} of {total / gib:.1f} GiB of the GPU's memory"
            f" (processes: {pids})"
        )
