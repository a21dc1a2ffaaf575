"""Where a request goes, and how many replicas there should be: rules without Ray."""

from dataclasses import dataclass

import pytest

from workers.engines.ray.options import Options
from workers.engines.ray.routing import Homes, keys_of
from workers.engines.ray.scaling import Scaler


@dataclass(eq=False)
class Chair:
    load: int = 0
    concurrency: int = 10
    window: int = 20


def place(homes: Homes, chairs: list[Chair], prompt: bytes) -> Chair | None:
    chair = homes.choose(keys_of(prompt), chairs)
    if chair:
        chair.load += 1
    return chair


def test_a_prompts_home_is_kept_while_the_loads_are_alike():
    homes, chairs = Homes(), [Chair(8), Chair(6)]

    first = place(homes, chairs, b"a" * 300)
    others = {place(homes, chairs, b"a" * 300) for _ in range(6)}

    assert first is chairs[1] and others == {first}


def test_the_longest_common_start_wins():
    homes, chairs = Homes(), [Chair(), Chair()]
    near, far = b"a" * 1100 + b"near", b"a" * 300 + b"far"
    home = place(homes, chairs, near)
    assert home is not None
    home.load = 19
    other = place(homes, chairs, far)  # too full by now: the short start moves away
    home.load = 0

    assert other is not home
    assert place(homes, chairs, b"a" * 1100 + b"next") is home


def test_a_starving_replica_gets_the_next_one():
    homes, chairs = Homes(), [Chair(20), Chair(20), Chair(2)]
    homes.choose(keys_of(b"a" * 300), chairs[:1])
    for chair in chairs[:2]:
        chair.load = 28

    assert place(homes, chairs, b"a" * 300) is chairs[2]


def test_short_prompts_go_where_least_is_to_do():
    homes, chairs = Homes(), [Chair(3), Chair(2)]

    assert [place(homes, chairs, b"hi") for _ in range(3)] == [
        chairs[1], chairs[0], chairs[1],
    ]  # fmt: skip


def test_full_replicas_get_nothing():
    assert place(Homes(), [Chair(30), Chair(31)], b"a" * 300) is None


def test_a_home_that_is_gone_is_forgotten():
    homes, chairs = Homes(), [Chair(), Chair()]
    gone = place(homes, chairs, b"a" * 300)
    assert gone is not None
    homes.forget(gone)
    chairs.remove(gone)

    assert place(homes, chairs, b"a" * 300) is chairs[0]


def scaler(**options: float) -> Scaler:
    given = Options(up_seconds=5, idle_seconds=60, min_replicas=1)
    return Scaler(given, most=int(options.get("most", 4)))


def targets(scaler: Scaler, *steps: tuple[float, int, int]) -> list[int]:
    return [
        scaler.target(now, load=load, window=100, count=count)
        for now, load, count in steps
    ]


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        # Work that waits long enough brings up as many as it fills.
        ([(0, 350, 1), (4, 350, 1), (5, 350, 1), (6, 350, 4)], [1, 1, 4, 4]),
        # A moment without it begins the wait anew.
        ([(0, 350, 1), (4, 90, 1), (5, 350, 1), (9, 350, 1)], [1, 1, 1, 1]),
        # Never more than the bound, and idle ones only after a while.
        ([(0, 9000, 4), (1, 0, 4), (60, 0, 4), (61, 0, 4)], [4, 4, 4, 1]),
        # Without any replica nothing can wait.
        ([(0, 1, 0)], [1]),
    ],
)
def test_replicas_follow_the_load_slowly(steps, expected):
    assert targets(scaler(), *steps) == expected


def test_nothing_runs_for_nothing_where_the_least_is_none():
    options = Options(min_replicas=0, idle_seconds=10)

    found = targets(Scaler(options, most=2), (0, 0, 1), (10, 0, 1), (11, 0, 0))

    assert found == [1, 0, 0]
