"""A slow handler or receiver fills its own lane and no other."""

import threading
import time
from collections.abc import Callable

import pytest

from batches.handlers.lanes import Lanes, _lanes, is_work_due, open_lanes
from tests.batches.ending import GOOD, make_ended
from tests.batches.handlers.cast import Fake, Other, delivery, make_endpoint, run_of
from tests.factories import make_project
from tests.rig.receiver import receiving


def wait_until(condition: Callable[[], bool], seconds: float = 10) -> None:
    ends_at = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends_at
        time.sleep(0.02)


class Work:
    """Pieces of work by lane; a lane named like a gate waits for it."""

    def __init__(self, **pieces: int) -> None:
        self.left = pieces
        self.done: list[str] = []
        self.gate = threading.Event()

    def find(self) -> list[str]:
        return [name for name, count in self.left.items() if count]

    def step(self, name: str) -> bool:
        if not self.left[name]:
            return False
        self.left[name] -= 1
        if name.startswith("slow"):
            self.gate.wait(10)
        self.done.append(name)
        return True


def test_a_slow_lane_delays_no_other():
    work = Work(slow=1, a=3, b=3)
    Lanes(3, work.find, work.step).open()

    wait_until(lambda: sorted(work.done) == ["a"] * 3 + ["b"] * 3)

    work.gate.set()
    wait_until(lambda: work.done[-1] == "slow")


def test_a_thread_that_is_free_takes_the_next_lane():
    work = Work(slow=1, a=2, b=2, c=2)
    Lanes(2, work.find, work.step).open()

    wait_until(lambda: len(work.done) == 6)

    work.gate.set()


def test_a_lane_has_one_thread_however_often_it_is_opened():
    work = Work(slow=2)
    lanes = Lanes(8, work.find, work.step)
    lanes.open()
    wait_until(lambda: work.left["slow"] == 1)

    lanes.open()
    lanes.open()

    time.sleep(0.1)
    assert work.left["slow"] == 1
    work.gate.set()
    wait_until(lambda: work.done == ["slow", "slow"])


def test_a_lane_that_is_stuck_is_given_to_another_thread(configure):
    configure(HANDLER_TIMEOUT_SECONDS=-1000)
    work = Work(slow=2)
    lanes = Lanes(8, work.find, work.step)
    lanes.open()
    wait_until(lambda: work.left["slow"] == 1)

    lanes.open()

    wait_until(lambda: work.left["slow"] == 0)
    work.gate.set()


def test_a_step_that_fails_ends_its_lane_only():
    work = Work(a=1, b=1)

    def step(name: str) -> bool:
        if name == "a":
            work.left["a"] = 0
            raise OSError("a bug")
        return work.step(name)

    lanes = Lanes(2, work.find, step)
    lanes.open()

    wait_until(lambda: work.done == ["b"])
    wait_until(lambda: not lanes._taken)


@pytest.mark.django_db(transaction=True)
def test_handlers_and_webhooks_run_beside_the_task(loopback):
    gate = threading.Event()
    Fake.does = lambda results: gate.wait(10)
    Other.does = lambda results: True
    project = make_project()
    with receiving(204) as receiver:
        make_endpoint(project, url=receiver.url)
        batch = make_ended(GOOD, project=project)

        open_lanes()

        wait_until(lambda: run_of(batch, "other").status == "succeeded")
        wait_until(lambda: run_of(batch, "webhook").status == "succeeded")
        open_lanes()
        wait_until(lambda: delivery().status == "succeeded")
        assert run_of(batch).status == "running" and len(receiver.posts) == 1
    gate.set()
    wait_until(lambda: run_of(batch).status == "succeeded")
    wait_until(lambda: not any(lanes._taken for lanes in _lanes))
    assert not is_work_due()


@pytest.mark.django_db
def test_the_sweep_rings_for_what_is_due():
    from django_q.models import OrmQ

    from batches.sweeping import sweep

    make_ended(GOOD)
    OrmQ.objects.all().delete()

    sweep()

    assert [q.func() for q in OrmQ.objects.all()] == ["batches.tasks.run_handlers"]
