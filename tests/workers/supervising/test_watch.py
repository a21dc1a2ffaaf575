"""The keeper's eye: which process of a cluster has vanished, of those it needs."""

import pytest

from workers.supervising.births import Birth
from workers.supervising.family import Member
from workers.supervising.keeper import NEWBORN, Watch


class Named(Member):
    """A process with a title of its own."""

    titles: dict[int, str] = {}

    @property
    def title(self) -> str:
        return self.titles.get(self.pid, "")


def one(pid: int, parent: int, title: str = "", *, is_zombie: bool = False) -> Member:
    Named.titles[pid] = title
    return Named(pid=pid, started=1, parent=parent, is_zombie=is_zombie)


MAIN, SENTINEL = 10, 11
CLUSTER = [
    one(MAIN, 1, "qcluster MainProcess a-b"),
    one(SENTINEL, MAIN, "qcluster MainProcess a-b"),
    one(12, SENTINEL, "qcluster Process-1 idle"),
    one(13, SENTINEL, "qcluster Process-2 monitor"),
    one(14, SENTINEL, "qcluster Process-3 pusher"),
    one(15, 12, "VLLM::EngineCore"),
    one(16, SENTINEL, "qcluster MainProcess a-b"),
]


@pytest.mark.parametrize(
    ("pid", "role"),
    [
        (11, "sentinel"),
        (12, "worker"),
        (13, "monitor"),
        (14, ""),
        (15, ""),
        (16, NEWBORN),
    ],
)
def test_who_vanishes_is_noticed_if_the_cluster_needs_it(pid, role):
    watch = Watch()
    watch.look(CLUSTER, MAIN)

    left = [member for member in CLUSTER if member.pid != pid]

    assert watch.look(left, MAIN) == role


def test_a_worker_that_takes_a_task_has_not_vanished():
    watch = Watch()
    watch.look(CLUSTER, MAIN)

    Named.titles[12] = "qcluster Process-1 processing some-task 'serve'"

    assert watch.look(CLUSTER, MAIN) == ""
    Named.titles[12] = "qcluster Process-1 idle"


@pytest.mark.parametrize(
    ("parent", "role"), [(MAIN, "sentinel"), (SENTINEL, NEWBORN), (12, ""), (99, "")]
)
def test_who_is_born_and_dies_between_two_looks_is_noticed(parent, role):
    watch = Watch()
    watch.look(CLUSTER, MAIN)

    assert watch.look(CLUSTER, MAIN, [Birth(17, parent)]) == role


def test_a_newborn_that_lives_has_not_vanished_whatever_it_becomes():
    watch = Watch()
    watch.look(CLUSTER, MAIN, [Birth(member.pid, member.parent) for member in CLUSTER])
    assert watch.is_unsure

    Named.titles[16] = "qcluster Process-4 pusher"
    found = [watch.look(CLUSTER, MAIN), watch.look(CLUSTER[:-1], MAIN)]
    Named.titles[16] = "qcluster MainProcess a-b"

    assert found == ["", ""] and not watch.is_unsure


def test_a_sentinel_that_died_at_birth_is_noticed():
    dead = one(SENTINEL, MAIN, is_zombie=True)

    assert Watch().look([CLUSTER[0], dead], MAIN) == "sentinel"


def test_a_cluster_that_never_comes_up_is_noticed():
    watch = Watch()
    assert watch.look(CLUSTER[:1], MAIN) == ""

    watch._start_ends_at = 0

    assert watch.look(CLUSTER[:1], MAIN) == "start"


def test_while_it_drains_workers_may_end_but_main_may_not_wait_for_a_dead_sentinel():
    watch = Watch()
    watch.look(CLUSTER, MAIN)
    watch.is_draining = True

    assert watch.look(CLUSTER[:2], MAIN) == ""
    looks = [watch.look(CLUSTER[:1], MAIN) for _ in range(3)]

    assert looks == ["", "", "sentinel"]
