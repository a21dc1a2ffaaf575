"""Sizes of memory as people write them."""

import re

from workers.memory.errors import CannotPlan

UNITS = {
    "": 1 << 30,
    "g": 1 << 30,
    "gib": 1 << 30,
    "gb": 10**9,
    "m": 1 << 20,
    "mib": 1 << 20,
    "mb": 10**6,
}
SMALLEST, LARGEST = 1 << 30, 1 << 42


def parse_size(text: str) -> int:
    """Return the bytes in "16GiB", "16 GB" or "16376MiB"; a bare number is GiB."""
    match = re.fullmatch(r"\s*(\d{1,9}(?:\.\d{1,6})?)\s*([a-z]*)\s*", text.lower())
    if match is None or match[2] not in UNITS:
        raise CannotPlan(f"'{text[:40]}' is no size: write 16GiB, 16GB or 16376MiB.")
    size = int(float(match[1]) * UNITS[match[2]])
    if not SMALLEST <= size <= LARGEST:
        raise CannotPlan(f"'{text[:40]}' is not between 1 GiB and 4 TiB.")
    return size


def gib(size: int) -> str:
    """Return bytes in GiB, for people."""
    return f"{size / (1 << 30):.2f} GiB"
