"""Each slot's engine sees its own GPU."""

import pytest
from django.core.management.base import CommandError

from workers.devices import device_environment

BUS = {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"}


@pytest.mark.parametrize(
    ("slot", "device", "count", "inherited", "expected"),
    [
        ("gpu1", "", 2, {}, {"CUDA_VISIBLE_DEVICES": "1", **BUS}),
        ("gpu01", "", 2, {}, {"CUDA_VISIBLE_DEVICES": "1", **BUS}),
        ("gpu1", "", 1, {}, {}),
        ("night", "", 0, {}, {}),
        ("gpu1", "", 2, {"CUDA_VISIBLE_DEVICES": "0"}, {}),
        ("gpu1", "0", 2, {"CUDA_VISIBLE_DEVICES": "1"},
         {**BUS, "CUDA_VISIBLE_DEVICES": "0"}),
        ("night", "GPU-5f", 2, {}, {"CUDA_VISIBLE_DEVICES": "GPU-5f", **BUS}),
    ],
)  # fmt: skip
def test_the_slots_number_or_the_option_says_which(
    slot, device, count, inherited, expected
):
    found = device_environment(slot, device, count=count, inherited=inherited)

    assert found == expected


@pytest.mark.parametrize("slot", ["gpu2", "night"])
def test_a_slot_without_a_gpu_is_refused(slot):
    with pytest.raises(CommandError, match="--device"):
        device_environment(slot, "", count=2, inherited={})
