"""The targets of `make fuzz`, with their seeds and with a little chance."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.__main__ import NAMES, SEEDS
from tests.fuzz.targets import TARGETS

ALL_SEEDS = sorted(path for path in SEEDS.rglob("*") if path.is_file())


@pytest.fixture(autouse=True)
def incoming(storage: Path) -> None:
    (storage / "incoming").mkdir(parents=True)


def test_every_target_has_seeds_and_is_run():
    assert {path.parent.name for path in ALL_SEEDS} == set(NAMES) == set(TARGETS)


@pytest.mark.parametrize("seed", ALL_SEEDS, ids=lambda p: f"{p.parent.name}-{p.name}")
def test_a_seed_breaks_no_promise(seed: Path):
    TARGETS[seed.parent.name](seed.read_bytes())


@st.composite
def near_a_seed(draw: st.DrawFn, name: str) -> bytes:
    """Damage a seed: take out, put in, or put in a piece of another one."""
    seeds = [path.read_bytes() for path in ALL_SEEDS if path.parent.name == name]
    data = draw(st.sampled_from(seeds))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(data)))
        end = start + draw(st.integers(0, 8))
        other = draw(st.sampled_from(seeds))
        place = draw(st.integers(0, len(other)))
        piece = other[place : place + draw(st.integers(0, 12))]
        data = data[:start] + draw(st.sampled_from([piece, b""])) + data[end:]
        data += draw(st.binary(max_size=2))
    return data


@pytest.mark.parametrize("name", NAMES)
@given(data=st.data())
def test_chance_breaks_no_promise(name: str, data: st.DataObject):
    TARGETS[name](data.draw(st.one_of(st.binary(), near_a_seed(name))))
