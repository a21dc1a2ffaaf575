"""Slots in this process that do not linger, for tests that run batches by them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from workers.running import feeding
from workers.slots import slot as slot_module
from workers.slots.slot import Slot

OpenSlot = Callable[..., Slot]


@contextmanager
def opening() -> Iterator[OpenSlot]:
    """Give a function that opens a slot, which is closed at the end."""
    slots: list[Slot] = []

    def open_slot(**options: Any) -> Slot:
        slots.append(Slot("gpu7", **options))
        return slots[-1]

    yield open_slot
    for slot in slots:
        slot.close()


@pytest.fixture
def open_slot(monkeypatch: pytest.MonkeyPatch, configure: Any) -> Iterator[OpenSlot]:
    """A function that opens a slot that does not linger; it is closed at the end."""
    monkeypatch.setattr(feeding, "LINGER_SECONDS", 0.0)
    monkeypatch.setattr(feeding, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(slot_module, "LOOK_SECONDS", 0.01)
    configure(WORKER_SEGMENT_SECONDS=0.02)
    with opening() as open_slot:
        yield open_slot
