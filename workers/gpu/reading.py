"""What NVML said of a card at one moment. None: the card does not tell."""

from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

# A heartbeat has room for so many.
MOST_PROCESSES = 16
# Bits of the clock event reasons (NVML's nvmlClocksEventReason…).
CLOCK_REASONS = {
    0x01: "idle",
    0x02: "set clocks",
    0x04: "power cap",
    0x08: "hardware slowdown",
    0x10: "sync boost",
    0x20: "software thermal slowdown",
    0x40: "hardware thermal slowdown",
    0x80: "power brake",
    0x100: "display clocks",
}


class CardProcess(NamedTuple):
    """A process that uses the card. In a container its pid may be the host's."""

    pid: int
    bytes: int | None


@dataclass(frozen=True, kw_only=True)
class Reading:
    """One look at a card: °C, bytes, watts, MHz, per cent; error counts."""

    name: str | None = None
    uuid: str | None = None
    celsius: int | None = None
    slowdown_celsius: int | None = None
    memory_celsius: int | None = None
    memory_total: int | None = None
    memory_used: int | None = None
    memory_free: int | None = None
    utilization: int | None = None
    clock_reasons: int | None = None
    # Since the driver was loaded, and over the card's life.
    ecc_corrected: int | None = None
    ecc_uncorrected: int | None = None
    ecc_uncorrected_lifetime: int | None = None
    is_remap_pending: bool | None = None
    is_remap_failed: bool | None = None
    watts: float | None = None
    watts_limit: float | None = None
    sm_mhz: int | None = None
    memory_mhz: int | None = None
    processes: tuple[CardProcess, ...] | None = None

    @property
    def clock_words(self) -> list[str]:
        """Why the clocks are what they are, in words."""
        bits = self.clock_reasons or 0
        return [words for bit, words in CLOCK_REASONS.items() if bits & bit]

    def as_json(self) -> dict[str, Any]:
        """Return what is known, for the heartbeat."""
        known = {name: v for name, v in asdict(self).items() if v is not None}
        if self.clock_reasons is not None:
            known["clock_reasons"] = self.clock_words
        if self.processes is not None:
            known["processes"] = [
                process._asdict() for process in self.processes[:MOST_PROCESSES]
            ]
        return known
