"""The worker learns how many tokens a second a model takes."""

import pytest

from tests.factories import lines, make_running_batch
from tests.workers.runs import run
from tests.workers.servers import stub_engine
from workers.models import ServedModel
from workers.running import pace
from workers.running.pace import Pace

USAGE = {"input_tokens": 300, "output_tokens": 60}


@pytest.fixture
def clock() -> list[float]:
    """The time that a pace sees, in its only element."""
    return [0.0]


def paced(clock: list[float]) -> Pace:
    return Pace("stub", lambda: clock[0])


def learnt(name: str = "stub") -> tuple[float | None, float | None]:
    model = ServedModel.objects.get(name=name)
    return model.input_tokens_per_second, model.output_tokens_per_second


@pytest.mark.django_db(transaction=True)
def test_a_run_teaches_the_pace(monkeypatch):
    monkeypatch.setattr(pace, "LEAST_SECONDS", 0)
    make_running_batch(*lines(20))

    run(stub_engine())

    found = learnt()
    assert found[0] and found[1]


@pytest.mark.django_db
def test_the_first_measurement_is_taken_as_it_is(clock):
    ServedModel.objects.create(name="stub", engine="stub")
    measured = paced(clock)
    clock[0] = 30

    measured.add(USAGE)

    assert learnt() == (10, 2)


@pytest.mark.django_db
def test_later_ones_move_the_mean(clock):
    ServedModel.objects.create(name="stub", engine="stub", input_tokens_per_second=100)
    measured = paced(clock)
    clock[0] = 30

    measured.add(USAGE)

    found, other = learnt()
    assert found is not None and 10 < found < 100 and other == 2


@pytest.mark.django_db
def test_too_short_a_run_says_nothing(clock):
    ServedModel.objects.create(name="stub", engine="stub")
    measured = paced(clock)
    clock[0] = 0.1

    measured.add(USAGE)
    measured.end()

    assert learnt() == (None, None)


@pytest.mark.django_db
def test_the_time_after_the_last_result_is_no_work(clock):
    ServedModel.objects.create(name="stub", engine="stub")
    measured = paced(clock)
    clock[0] = 6
    measured.add(USAGE)
    clock[0] = 60

    measured.end()

    assert learnt() == (50, 10)


@pytest.mark.django_db
def test_an_unknown_output_stays_unknown(clock):
    ServedModel.objects.create(name="stub", engine="stub")
    measured = paced(clock)
    clock[0] = 30

    measured.add({"input_tokens": 300, "output_tokens": 0})

    assert learnt() == (10, None)
