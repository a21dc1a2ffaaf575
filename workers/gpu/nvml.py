"""Ask the driver about a card, through NVML. Importing this needs no GPU, no driver.

Calls of NVML may hang for as long as the driver does: call from a thread that nobody
waits for (`workers.gpu.watch`), or where waiting harms nobody.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from workers.gpu.reading import CardProcess, Reading

# The structure that tells used and reserved memory apart (nvmlMemory_v2).
_MEMORY_V2 = 0x02000028


class CardError(Exception):
    """The card could not be asked."""


class NoCard(CardError):
    """There is no GPU for this worker: no driver, or no such device."""


class CardLost(CardError):
    """The card is gone from the bus or wants a reset: a human has to act."""


class CardSilent(CardError):
    """NVML is there and gave no usable answer; the next one may be."""


def chosen_device(device: str = "") -> str:
    """Return the index or UUID of the slot's card, "" for none.

    It is what was asked for, else the first that CUDA may see, else the first of all.
    NVML counts in the order of the PCI bus: on machines with different cards set
    `CUDA_DEVICE_ORDER=PCI_BUS_ID`, or use UUIDs.
    """
    visible = device or os.environ.get("CUDA_VISIBLE_DEVICES", "0")
    first = visible.split(",")[0].strip()
    return "" if first in ("", "-1", "NoDevFiles") else first


def read_card(device: str = "") -> Reading | None:
    """Return what a card tells now; None without one, or if it cannot be asked."""
    try:
        return Card(chosen_device(device)).read()
    except CardError:
        return None


def free_gpu_bytes(device: str = "") -> int | None:
    """Return the free memory of a card in bytes, None if nobody can tell."""
    reading = read_card(device)
    return reading.memory_free if reading else None


def processes_on(device: str = "") -> tuple[CardProcess, ...] | None:
    """Return who uses a card, the biggest first; None if nobody can tell."""
    reading = read_card(device)
    return reading.processes if reading else None


class Card:
    """One card, opened by index or UUID. Raises NoCard, CardLost or CardSilent."""

    def __init__(self, device: str) -> None:
        if not device:
            raise NoCard("CUDA_VISIBLE_DEVICES shows this worker no GPU")
        import pynvml  # it takes a moment, and API nodes never need it

        self._nvml: Any = pynvml
        self._events: Any = None
        with self._translated():
            pynvml.nvmlInit()
            self._handle = self._find(device)

    def _find(self, device: str) -> Any:
        nvml = self._nvml
        try:
            if device.isdigit():
                return nvml.nvmlDeviceGetHandleByIndex(int(device))
            try:
                return nvml.nvmlDeviceGetHandleByUUID(device)
            except (nvml.NVMLError_NotFound, nvml.NVMLError_InvalidArgument):
                return self._find_by_start(device)
        except (nvml.NVMLError_NotFound, nvml.NVMLError_InvalidArgument):
            raise NoCard(f"there is no GPU {device}") from None

    def _find_by_start(self, start: str) -> Any:
        """Find a card by the start of its UUID, which CUDA allows and NVML does not."""
        for index in range(self._nvml.nvmlDeviceGetCount()):
            handle = self._nvml.nvmlDeviceGetHandleByIndex(index)
            if self._nvml.nvmlDeviceGetUUID(handle).startswith(start):
                return handle
        raise NoCard(f"there is no GPU {start}")

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Raise our errors for NVML's."""
        nvml = self._nvml
        try:
            yield
        except (nvml.NVMLError_LibraryNotFound, nvml.NVMLError_DriverNotLoaded) as no:
            raise NoCard(str(no)) from no
        except (nvml.NVMLError_GpuIsLost, nvml.NVMLError_ResetRequired) as lost:
            raise CardLost(f"NVML says: {lost}") from lost
        except nvml.NVMLError as error:
            raise CardSilent(f"NVML says: {error}") from error

    def _ask(self, name: str, *arguments: Any) -> Any:
        """Call a function of NVML on the card; None if the card does not support it."""
        nvml = self._nvml
        with self._translated():
            try:
                return getattr(nvml, name)(self._handle, *arguments)
            except (
                nvml.NVMLError_NotSupported,
                nvml.NVMLError_FunctionNotFound,
                nvml.NVMLLibraryMismatchError,
                nvml.NVMLError_NoPermission,
                nvml.NVMLError_InvalidArgument,
                nvml.NVMLError_NotFound,
                nvml.NVMLError_NoData,
                nvml.NVMLError_Deprecated,
                nvml.NVMLError_ArgumentVersionMismatch,
            ):
                return None

    def read(self) -> Reading:
        """Return all that the card tells."""
        nvml = self._nvml
        total, used, free = self.memory()
        rates = self._ask("nvmlDeviceGetUtilizationRates")
        remapped = self._ask("nvmlDeviceGetRemappedRows")
        watts = self._ask("nvmlDeviceGetPowerUsage")
        limit = self._ask("nvmlDeviceGetEnforcedPowerLimit")
        slowdown = nvml.NVML_TEMPERATURE_THRESHOLD_SLOWDOWN
        return Reading(
            name=self._ask("nvmlDeviceGetName"),
            uuid=self._ask("nvmlDeviceGetUUID"),
            celsius=self._ask("nvmlDeviceGetTemperature", nvml.NVML_TEMPERATURE_GPU),
            slowdown_celsius=self._ask("nvmlDeviceGetTemperatureThreshold", slowdown),
            memory_celsius=self._memory_celsius(),
            memory_total=total,
            memory_used=used,
            memory_free=free,
            utilization=None if rates is None else rates.gpu,
            clock_reasons=self._clock_reasons(),
            ecc_corrected=self._ecc(is_corrected=True),
            ecc_uncorrected=self._ecc(is_corrected=False),
            ecc_uncorrected_lifetime=self._ecc(is_corrected=False, is_lifetime=True),
            is_remap_pending=None if remapped is None else bool(remapped[2]),
            is_remap_failed=None if remapped is None else bool(remapped[3]),
            watts=None if watts is None else watts / 1000,
            watts_limit=None if limit is None else limit / 1000,
            sm_mhz=self._ask("nvmlDeviceGetClockInfo", nvml.NVML_CLOCK_SM),
            memory_mhz=self._ask("nvmlDeviceGetClockInfo", nvml.NVML_CLOCK_MEM),
            processes=self.processes(),
        )

    def memory(self) -> tuple[int | None, int | None, int | None]:
        """Return total, used and free bytes; what the driver reserves is not used."""
        info = self._ask("nvmlDeviceGetMemoryInfo", _MEMORY_V2)
        info = info or self._ask("nvmlDeviceGetMemoryInfo")
        return (info.total, info.used, info.free) if info else (None, None, None)

    def processes(self) -> tuple[CardProcess, ...] | None:
        """Return who uses the card, for computing or for graphics."""
        found: dict[int, int | None] = {}
        is_known = False
        for kind in ("Compute", "Graphics"):
            listed = self._ask(f"nvmlDeviceGet{kind}RunningProcesses")
            is_known = is_known or listed is not None
            for one in listed or ():
                # One that does both is in both lists, with the same memory.
                found[one.pid] = one.usedGpuMemory or found.get(one.pid)
        pairs = sorted(found.items(), key=lambda pair: -(pair[1] or 0))
        return tuple(CardProcess(*pair) for pair in pairs) if is_known else None

    def xids(self, milliseconds: int) -> list[int] | None:
        """Wait for the driver's error events and return their Xids; [] in vain.

        Returns None at once where there are no events to wait for.
        """
        nvml = self._nvml
        with self._translated():
            try:
                if self._events is None:
                    events = nvml.nvmlEventSetCreate()
                    critical = nvml.nvmlEventTypeXidCriticalError
                    nvml.nvmlDeviceRegisterEvents(self._handle, critical, events)
                    self._events = events
                data = nvml.nvmlEventSetWait_v2(self._events, milliseconds)
            except nvml.NVMLError_Timeout:
                return []
            except (
                nvml.NVMLError_NotSupported,
                nvml.NVMLError_FunctionNotFound,
                nvml.NVMLError_NoPermission,
                nvml.NVMLError_InvalidArgument,
            ):
                return None
            return [data.eventData]

    def _memory_celsius(self) -> int | None:
        nvml = self._nvml
        values = self._ask("nvmlDeviceGetFieldValues", [nvml.NVML_FI_DEV_MEMORY_TEMP])
        if not values or values[0].nvmlReturn != nvml.NVML_SUCCESS:
            return None
        return int(values[0].value.uiVal) or None

    def _clock_reasons(self) -> int | None:
        reasons: int | None = self._ask("nvmlDeviceGetCurrentClocksEventReasons")
        if reasons is None:  # a driver before 535 has another word for it
            reasons = self._ask("nvmlDeviceGetCurrentClocksThrottleReasons")
        return reasons

    def _ecc(self, *, is_corrected: bool, is_lifetime: bool = False) -> int | None:
        nvml = self._nvml
        kinds = (
            nvml.NVML_MEMORY_ERROR_TYPE_UNCORRECTED,
            nvml.NVML_MEMORY_ERROR_TYPE_CORRECTED,
        )
        spans = (nvml.NVML_VOLATILE_ECC, nvml.NVML_AGGREGATE_ECC)
        count: int | None = self._ask(
            "nvmlDeviceGetTotalEccErrors", kinds[is_corrected], spans[is_lifetime]
        )
        return count
