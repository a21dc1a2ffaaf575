"""A stand-in for NVIDIA's driver: its C functions, under the real `pynvml`.

`pynvml` itself runs: its signatures, structures, two-step lists and error classes. Only
what it would find in libnvidia-ml.so is answered here, from cards that tests change, or
that change by a script: one step for each reading.
"""

import ctypes
import threading
from collections.abc import Callable
from ctypes import byref, c_void_p, memmove
from typing import Any

import pynvml as real
import pytest

GIB = 1 << 30
# The library has no types of its own.
nvml: Any = real
OK: int = nvml.NVML_SUCCESS
NOT_SUPPORTED: int = nvml.NVML_ERROR_NOT_SUPPORTED
INVALID_ARGUMENT: int = nvml.NVML_ERROR_INVALID_ARGUMENT
NOT_FOUND: int = nvml.NVML_ERROR_NOT_FOUND
INSUFFICIENT_SIZE: int = nvml.NVML_ERROR_INSUFFICIENT_SIZE
TIMEOUT: int = nvml.NVML_ERROR_TIMEOUT
HIDDEN = nvml.NVML_VALUE_NOT_AVAILABLE_ulonglong.value
HANDLE_BASE = 0x1000


class FakeCard:
    """A card's values; None: not supported. `errors`: what a C function returns."""

    def __init__(self, uuid: str = "GPU-11111111-2222", **values: Any) -> None:
        self.name: str | None = "NVIDIA GeForce RTX 4080"
        self.uuid = uuid
        self.celsius: int | None = 60
        self.slowdown: int | None = 90
        self.memory_celsius: int | None = None
        self.total, self.used, self.reserved = 16 * GIB, GIB, GIB // 4
        self.utilization: int | None = 97
        self.clock_reasons: int | None = 0
        # (is uncorrected, is lifetime) → count
        self.ecc: dict[tuple[int, int], int] | None = None
        self.remapped: tuple[int, int, int, int] | None = None
        self.milliwatts, self.limit = 250_500, 320_000
        self.mhz: int | None = 2_500
        self.compute: list[tuple[int, int]] = []
        self.graphics: list[tuple[int, int]] = []
        self.xids: list[int] = []
        self.errors: dict[str, int] = {}
        self.script: list[dict[str, Any]] = []
        self.readings = 0
        self.change(**values)

    def change(self, **values: Any) -> None:
        """Set some values."""
        for name, value in values.items():
            assert hasattr(self, name), name
            setattr(self, name, value)

    def lose(self) -> None:
        """Fall off the bus."""
        self.errors["*"] = nvml.NVML_ERROR_GPU_IS_LOST

    def next_reading(self) -> None:
        """Take the next step of the script."""
        self.readings += 1
        if self.script:
            self.change(**self.script.pop(0))


class FakeDriver:
    """The library, by the names of its C functions; others it does not have."""

    def __init__(self, *cards: FakeCard) -> None:
        self.cards = list(cards)
        self.init_error = OK
        # Functions that an older driver lacks.
        self.missing: set[str] = set()
        # Cleared: every call about a card hangs.
        self.answers = threading.Event()
        self.answers.set()

    def __getattr__(self, name: str) -> Callable[..., int]:
        function = _FUNCTIONS.get(name)
        if function is None or name in self.missing:
            raise AttributeError(name)

        def call(*arguments: Any) -> int:
            return function(self, name, *arguments)

        return call


def _card_function(work: Callable[..., Any]) -> Callable[..., int]:
    """Make a C function of one that is given a card instead of a handle."""

    def call(driver: FakeDriver, name: str, handle: Any, *arguments: Any) -> int:
        driver.answers.wait()
        number = ctypes.cast(handle, c_void_p).value
        assert number is not None
        card = driver.cards[number - HANDLE_BASE]
        if error := card.errors.get(name) or card.errors.get("*"):
            return error
        error = work(card, *arguments)
        return error or OK

    return call


def _tell(value: Any, target: Any) -> int:
    if value is None:
        return NOT_SUPPORTED
    target._obj.value = value
    return OK


def _text(value: str | None, buffer: Any) -> int:
    if value is None:
        return NOT_SUPPORTED
    buffer.value = value.encode()
    return OK


def _init(driver: FakeDriver, name: str, *arguments: Any) -> int:
    return driver.init_error


def _count(driver: FakeDriver, name: str, count: Any) -> int:
    count._obj.value = len(driver.cards)
    return OK


def _give_handle(driver: FakeDriver, index: int, handle: Any) -> int:
    memmove(handle, byref(c_void_p(HANDLE_BASE + index)), ctypes.sizeof(c_void_p))
    return OK


def _by_index(driver: FakeDriver, name: str, index: Any, handle: Any) -> int:
    if index.value >= len(driver.cards):
        return INVALID_ARGUMENT
    return _give_handle(driver, index.value, handle)


def _by_uuid(driver: FakeDriver, name: str, uuid: Any, handle: Any) -> int:
    uuids = [card.uuid for card in driver.cards]
    if uuid.value.decode() not in uuids:
        return NOT_FOUND
    return _give_handle(driver, uuids.index(uuid.value.decode()), handle)


def _memory_v2(card: FakeCard, info: Any) -> None:
    card.next_reading()
    _memory(card, info)
    info._obj.reserved = card.reserved


def _memory(card: FakeCard, info: Any) -> None:
    info._obj.total, info._obj.used = card.total, card.used
    info._obj.free = card.total - card.used - card.reserved


def _rates(card: FakeCard, rates: Any) -> int:
    if card.utilization is None:
        return NOT_SUPPORTED
    rates._obj.gpu = card.utilization
    return OK


def _ecc(card: FakeCard, kind: Any, span: Any, count: Any) -> int:
    value = None if card.ecc is None else card.ecc.get((kind.value, span.value), 0)
    return _tell(value, count)


def _remapped(card: FakeCard, *targets: Any) -> int:
    if card.remapped is None:
        return NOT_SUPPORTED
    for value, target in zip(card.remapped, targets, strict=True):
        target._obj.value = value
    return OK


def _fields(card: FakeCard, count: Any, values: Any) -> None:
    for value in values._obj:
        value.nvmlReturn = NOT_SUPPORTED
        if card.memory_celsius is not None:
            value.nvmlReturn = OK
            value.value.uiVal = card.memory_celsius


def _processes(kind: str) -> Callable[..., int]:
    def tell(card: FakeCard, count: Any, found: Any) -> int:
        listed = getattr(card, kind)
        if listed and found is None:
            count._obj.value = len(listed)
            return INSUFFICIENT_SIZE
        count._obj.value = len(listed)
        for entry, (pid, size) in zip(found or (), listed, strict=False):
            entry.pid, entry.usedGpuMemory = pid, size
        return OK

    return tell


# The card whose events are waited for: a test has one.
_listened: list[FakeCard] = []


def _register(card: FakeCard, kinds: Any, events: Any) -> None:
    assert kinds.value == nvml.nvmlEventTypeXidCriticalError
    _listened[:] = [card]


def _wait(
    driver: FakeDriver, name: str, events: Any, data: Any, milliseconds: Any
) -> int:
    card = _listened[0]
    if not card.xids:
        threading.Event().wait(min(milliseconds.value, 5) / 1000)
        return card.errors.get("*") or TIMEOUT
    data._obj.eventType = nvml.nvmlEventTypeXidCriticalError
    data._obj.eventData = card.xids.pop(0)
    return OK


def _error_text(driver: FakeDriver, name: str, code: Any) -> Any:
    return b"an error this library has no word for"


_CARD_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "nvmlDeviceGetName": lambda card, text, size: _text(card.name, text),
    "nvmlDeviceGetUUID": lambda card, text, size: _text(card.uuid, text),
    "nvmlDeviceGetTemperature": lambda card, kind, to: _tell(card.celsius, to),
    "nvmlDeviceGetTemperatureThreshold": lambda card, kind, to: _tell(
        card.slowdown, to
    ),
    "nvmlDeviceGetMemoryInfo_v2": _memory_v2,
    "nvmlDeviceGetMemoryInfo": _memory,
    "nvmlDeviceGetUtilizationRates": _rates,
    "nvmlDeviceGetCurrentClocksEventReasons": lambda card, to: _tell(
        card.clock_reasons, to
    ),
    "nvmlDeviceGetCurrentClocksThrottleReasons": lambda card, to: _tell(
        card.clock_reasons, to
    ),
    "nvmlDeviceGetTotalEccErrors": _ecc,
    "nvmlDeviceGetRemappedRows": _remapped,
    "nvmlDeviceGetPowerUsage": lambda card, to: _tell(card.milliwatts, to),
    "nvmlDeviceGetEnforcedPowerLimit": lambda card, to: _tell(card.limit, to),
    "nvmlDeviceGetClockInfo": lambda card, kind, to: _tell(card.mhz, to),
    "nvmlDeviceGetFieldValues": _fields,
    "nvmlDeviceGetComputeRunningProcesses_v3": _processes("compute"),
    "nvmlDeviceGetGraphicsRunningProcesses_v3": _processes("graphics"),
    "nvmlDeviceRegisterEvents": _register,
}
_FUNCTIONS: dict[str, Callable[..., int]] = {
    "nvmlInit_v2": _init,
    "nvmlInitWithFlags": _init,
    "nvmlDeviceGetCount_v2": _count,
    "nvmlDeviceGetHandleByIndex_v2": _by_index,
    "nvmlDeviceGetHandleByUUID": _by_uuid,
    "nvmlEventSetCreate": _init,
    "nvmlEventSetWait_v2": _wait,
    "nvmlErrorString": _error_text,
} | {name: _card_function(work) for name, work in _CARD_FUNCTIONS.items()}


def install(monkeypatch: pytest.MonkeyPatch, *cards: FakeCard) -> FakeDriver:
    """Let `pynvml` find this driver instead of the machine's own."""
    driver = FakeDriver(*cards)
    monkeypatch.setattr(real, "nvmlLib", driver)
    monkeypatch.setattr(real, "_nvmlGetFunctionPointer_cache", {})
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return driver


def remove(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `pynvml` find no driver, as on a machine without one."""

    def fail(name: str) -> None:
        raise OSError(f"{name}: cannot open shared object file")

    monkeypatch.setattr(real, "nvmlLib", None)
    monkeypatch.setattr(real, "_nvmlGetFunctionPointer_cache", {})
    monkeypatch.setattr(real, "CDLL", fail)
