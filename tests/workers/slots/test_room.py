"""Whether there is room on the GPU and in memory: figures in, a sentence out."""

from pathlib import Path

import pytest

from workers.engines.base import GpuTaken
from workers.slots import room
from workers.slots.room import GIB, GpuMemory, Holder, refusal, sleep_levels

CARD = GpuMemory(
    total=16 * GIB,
    free=4 * GIB,
    holders=[Holder(pid=42, name="game", bytes=11 * GIB)],
)


def test_a_gpu_that_somebody_holds_is_refused_with_who_it_is():
    error = refusal(CARD, 0.9, 6 * GIB)

    assert isinstance(error, GpuTaken) and not error.is_lasting
    assert "game (pid 42) holds 11.0 GiB" in str(error)
    assert "14.4 GiB" in str(error) and "4.0 GiB is free" in str(error)


def test_what_is_free_is_enough():
    assert refusal(CARD, 0.25, None) is None


def test_weights_that_never_fit_are_a_lasting_fault():
    error = refusal(CARD, 0.9, 24 * GIB)

    assert error is not None and error.is_lasting and "do not fit" in str(error)


@pytest.mark.parametrize(
    ("weights", "free", "levels"),
    [
        (8 * GIB, 9 * GIB, (1, 2)),
        (8 * GIB, 8 * GIB, (2,)),
        (None, 64 * GIB, (2,)),
    ],
)
def test_the_weights_stay_in_memory_only_where_they_fit(weights, free, levels):
    assert sleep_levels(weights, free) == levels


def test_a_containers_limit_counts(monkeypatch, tmp_path: Path):
    (tmp_path / "memory.max").write_text("3000\n")
    (tmp_path / "memory.current").write_text("1000\n")
    (tmp_path / "meminfo").write_text("MemTotal: 9 kB\nMemAvailable: 8 kB\n")
    monkeypatch.setattr(room, "_MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(room, "_CGROUP", tmp_path)

    assert room.free_ram_bytes() == 2000
    (tmp_path / "memory.max").write_text("max\n")
    assert room.free_ram_bytes() == 8 * 1024
