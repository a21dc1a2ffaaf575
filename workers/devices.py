"""Which of a machine's GPUs a slot's engine sees."""

import re
from collections.abc import Mapping
from pathlib import Path

from django.core.management.base import CommandError

VISIBLE = "CUDA_VISIBLE_DEVICES"
_DRIVER = Path("/proc/driver/nvidia/gpus")


def gpu_count() -> int:
    """Return how many GPUs NVIDIA's driver shows; 0 without it."""
    return len(list(_DRIVER.iterdir())) if _DRIVER.is_dir() else 0


def device_environment(
    slot: str, device: str, *, count: int, inherited: Mapping[str, str]
) -> dict[str, str]:
    """Return what the engine's environment needs for it to see its own GPU only.

    `device` is an index or UUID (several, by commas, for one engine over several
    GPUs). Without one, what is inherited stays; else, if there are several GPUs, it is
    the number at the end of the slot's name. Raises CommandError if there is none.
    """
    if not device:
        if VISIBLE in inherited or count < 2:
            return {}
        number = re.search(r"\d+$", slot)
        if number is None or int(number[0]) >= count:
            raise CommandError(
                f"This machine has {count} GPUs, and the slot's name '{slot}' does not"
                f" end in a number from 0 to {count - 1}. Say which one it has with"
                " --device."
            )
        device = str(int(number[0]))
    # Indices as nvidia-smi shows them, not the fastest first.
    order = inherited.get("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
    return {VISIBLE: device, "CUDA_DEVICE_ORDER": order}
