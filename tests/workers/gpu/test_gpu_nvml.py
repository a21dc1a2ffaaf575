"""What is read of a card, and what becomes of NVML's errors."""

import pynvml
import pytest

from tests.workers.gpu.fake_driver import (
    GIB,
    HIDDEN,
    FakeCard,
    FakeDriver,
    install,
    remove,
)
from workers.gpu.nvml import (
    Card,
    CardLost,
    CardSilent,
    NoCard,
    chosen_device,
    free_gpu_bytes,
    processes_on,
    read_card,
)
from workers.gpu.reading import CardProcess


@pytest.fixture
def card() -> FakeCard:
    """The machine's card."""
    return FakeCard()


@pytest.fixture(autouse=True)
def driver(monkeypatch: pytest.MonkeyPatch, card: FakeCard) -> FakeDriver:
    """The machine's driver."""
    return install(monkeypatch, card)


def test_it_reads_all_that_a_card_tells(card):
    card.change(
        memory_celsius=82,
        clock_reasons=0x44,
        ecc={(0, 0): 7, (1, 0): 1, (1, 1): 2},
        remapped=(0, 1, 1, 0),
    )

    told = Card("0").read()

    assert (told.name, told.uuid) == (card.name, card.uuid)
    assert (told.celsius, told.slowdown_celsius, told.memory_celsius) == (60, 90, 82)
    assert (told.watts, told.watts_limit, told.sm_mhz) == (250.5, 320.0, 2500)
    assert told.clock_words == ["power cap", "hardware thermal slowdown"]
    assert (told.ecc_corrected, told.ecc_uncorrected) == (7, 1)
    assert told.ecc_uncorrected_lifetime == 2
    assert (told.is_remap_pending, told.is_remap_failed) == (True, False)


def test_what_a_card_does_not_support_is_none(card):
    card.change(celsius=None, clock_reasons=None, utilization=None, mhz=None)

    told = Card("0").read()

    assert told.celsius is told.clock_reasons is told.utilization is None
    assert told.ecc_uncorrected is told.is_remap_failed is told.memory_celsius is None
    assert told.memory_total == 16 * GIB and "celsius" not in told.as_json()


@pytest.mark.parametrize(
    "code",
    [pynvml.NVML_ERROR_NO_PERMISSION, pynvml.NVML_ERROR_NO_DATA],
)
def test_a_field_that_is_forbidden_or_empty_is_none(card, code):
    card.errors["nvmlDeviceGetTemperature"] = code

    assert Card("0").read().celsius is None


def test_an_older_driver_lacks_functions(driver):
    driver.missing = {
        "nvmlDeviceGetMemoryInfo_v2",
        "nvmlDeviceGetCurrentClocksEventReasons",
        "nvmlDeviceGetComputeRunningProcesses_v3",
    }

    told = Card("0").read()

    assert (told.memory_used, told.clock_reasons) == (GIB, 0)
    assert told.processes == ()


def test_processes_of_both_kinds_are_listed_once_the_biggest_first(card):
    card.change(compute=[(7, GIB), (8, 2 * GIB)], graphics=[(7, GIB), (9, HIDDEN)])

    listed = Card("0").processes()

    expected = (CardProcess(8, 2 * GIB), CardProcess(7, GIB), CardProcess(9, None))
    assert listed == expected


@pytest.mark.parametrize("name", ["GPU_IS_LOST", "RESET_REQUIRED"])
def test_a_lost_card_is_an_error_of_its_own(card, name):
    opened = Card("0")
    card.errors["*"] = getattr(pynvml, f"NVML_ERROR_{name}")

    with pytest.raises(CardLost):
        opened.read()


@pytest.mark.parametrize(
    "name", ["UNKNOWN", "TIMEOUT", "IRQ_ISSUE", "MEMORY", "UNINITIALIZED", "NOT_READY"]
)
def test_other_errors_say_nothing_of_the_card(card, name):
    card.errors["nvmlDeviceGetTemperature"] = getattr(pynvml, f"NVML_ERROR_{name}")

    with pytest.raises(CardSilent):
        Card("0").read()


def test_no_library_is_no_gpu(monkeypatch):
    remove(monkeypatch)

    with pytest.raises(NoCard, match="Library Not Found"):
        Card("0")


def test_no_driver_is_no_gpu(driver):
    driver.init_error = pynvml.NVML_ERROR_DRIVER_NOT_LOADED

    with pytest.raises(NoCard, match="Driver Not Loaded"):
        Card("0")


def test_a_driver_that_was_updated_under_the_library_is_no_missing_gpu(driver):
    driver.init_error = pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH

    with pytest.raises(CardSilent, match="mismatch"):
        Card("0")


def test_a_card_is_found_by_index_uuid_and_the_start_of_one(driver):
    driver.cards.append(FakeCard("GPU-99999999-0000", celsius=33))

    found = [Card(device).read().celsius for device in ("1", "GPU-99999999-0000")]

    assert found == [33, 33] and Card("GPU-9999").read().celsius == 33


@pytest.mark.parametrize("device", ["5", "GPU-nope", ""])
def test_a_card_that_is_not_there_is_no_gpu(device):
    with pytest.raises(NoCard):
        Card(device)


@pytest.mark.parametrize(
    ("option", "visible", "device"),
    [
        ("", None, "0"),
        ("", "2,3", "2"),
        ("", "GPU-1", "GPU-1"),
        ("", "", ""),
        ("", "-1", ""),
        ("3", "2", "3"),
        ("1,2", None, "1"),
    ],
)
def test_the_slots_card_is_the_one_cuda_sees_first(
    monkeypatch, option, visible, device
):
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)

    assert chosen_device(option) == device


def test_the_loader_is_told_free_memory_and_who_holds_the_rest(card):
    card.change(compute=[(4242, GIB)])

    assert free_gpu_bytes() == 16 * GIB - GIB - GIB // 4
    assert processes_on("0") == (CardProcess(4242, GIB),)


def test_the_loader_is_told_nothing_without_a_gpu(monkeypatch):
    remove(monkeypatch)

    assert [read_card(), free_gpu_bytes(), processes_on()] == [None] * 3


def test_the_drivers_errors_are_heard_one_by_one(card):
    card.xids = [79]
    opened = Card("0")

    assert opened.xids(50) == [79] and opened.xids(1) == []


def test_a_platform_without_events_says_so(driver):
    driver.missing = {"nvmlEventSetCreate"}

    assert Card("0").xids(50) is None
