"""What the policy is told: from batches, models, workers and hours."""

from datetime import timedelta
from math import inf
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tests.factories import make_batch, make_chunk, make_model
from vllm_batch.lib.clock import database_now
from workers.models import Heartbeat
from workers.scheduling.demand import (
    CAUTION,
    UNKNOWN_LINE_SECONDS,
    Asker,
    View,
    line_seconds,
    look,
)
from workers.scheduling.policy import Demand

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


def waiting(model: str = "stub", *, total: int = 100, **fields: Any) -> None:
    """Make a batch with one chunk to claim."""
    chunk = fields.pop("chunk", {})
    name = fields.pop("batch_model", model)
    batch = make_batch(status="in_progress", model=name, total=total, **fields)
    make_chunk(batch, model=model, line_count=total, **chunk)


def beat(slot: str, model: str, **fields: Any) -> None:
    now = database_now()
    defaults: dict[str, Any] = {"state": "running", "owner": slot, "host": "there"}
    times = {"beat_at": now, "progress_at": now}
    Heartbeat.objects.create(
        slot=slot, pid=1, model=model, **{**defaults, **times, **fields}
    )


def the_one(view: View) -> Demand:
    (demand,) = view.demands
    return demand


@pytest.fixture(autouse=True)
def model() -> None:
    make_model()


def test_batches_of_a_model_are_one_demand_with_their_deadlines():
    now = database_now()
    waiting(total=100, completed=60, failed=10, expires_at=now + 2 * HOUR, priority=3)
    waiting(total=10, expires_at=now + HOUR, in_progress_at=now - HOUR)

    demand = the_one(look(Asker(pace={"stub": 2.0})))

    assert [due.deadline for due in demand.dues] == [
        (now + HOUR).timestamp(),
        (now + 2 * HOUR).timestamp(),
    ]
    assert [due.seconds for due in demand.dues] == [CAUTION * 5, CAUTION * 15]
    assert (demand.priority, demand.waiting_since) == (3, (now - HOUR).timestamp())


@pytest.mark.parametrize(
    "fields",
    [
        {"paused_reason": "by hand"},
        {"expires_at": timezone.now() - HOUR},
        {"model": "unknown"},
        {"chunk": {"lease_owner": "x", "lease_expires_at": timezone.now() + 24 * HOUR}},
        {"chunk": {"is_done": True}},
    ],
)
def test_what_cannot_be_claimed_does_not_wait(fields):
    waiting(**fields)

    assert look(Asker()).demands == []


def test_a_model_that_is_disabled_waits_for_nobody():
    make_model("off", is_enabled=False)
    waiting("off")

    assert look(Asker()).demands == []


def test_chunks_in_hand_count_while_the_worker_serves():
    held = {"lease_owner": "me", "lease_expires_at": database_now() + HOUR}
    waiting(chunk=held)
    waiting("stub", batch_model=None, is_mixed=True, chunk=held, total=7)

    assert look(Asker(owner="me")).demands == []
    assert len(the_one(look(Asker(owner="me", has_in_hand=True))).dues) == 2


def test_a_batch_of_several_models_waits_for_each():
    make_model("stub-2")
    batch = make_batch(status="in_progress", total=10, is_mixed=True)
    make_chunk(batch, model="stub", line_count=4)
    make_chunk(batch, model="stub-2", line_count=6)

    found = {demand.model: demand.seconds for demand in look(Asker()).demands}

    each = CAUTION * UNKNOWN_LINE_SECONDS
    assert found == {"stub": 4 * each, "stub-2": 6 * each}


def test_an_adapter_waits_for_its_base():
    make_model("base", lora_adapters=[{"name": "bot", "source": "/bot"}])
    waiting("bot")
    waiting("base")

    assert the_one(look(Asker())).model == "base"


def test_other_workers_that_have_the_model_are_counted():
    waiting()
    beat("gpu1", "stub")
    beat("gpu2", "stub", state="paused")
    beat("gpu3", "stub", beat_at=database_now() - HOUR)
    beat("gpu4", "")

    view = look(Asker(owner="me", slot="gpu9"))

    assert (the_one(view).others, view.place.workers) == (1, 3)


@pytest.mark.parametrize(("owner", "others"), [("a", 0), ("z", 1)])
def test_of_two_that_announce_the_same_model_one_goes_on(owner, others):
    waiting()
    beat("gpu1", "stub", state="loading", owner="m")

    view = look(Asker(owner=owner, slot="gpu9", is_announced=True))

    assert the_one(view).others == others


def test_a_swap_costs_what_was_learnt():
    make_model("b", load_seconds=40.0, wake_seconds=2.0)
    waiting("b")

    assert the_one(look(Asker())).swap_seconds == 40.0
    assert the_one(look(Asker(asleep={"b"}))).swap_seconds == 2.0


def test_run_hours_close_a_model_and_the_worker(configure):
    hour = timezone.now().hour
    open_now, closed_now = (
        f"{(hour + shift) % 24}:00-{(hour + shift + 2) % 24}:00" for shift in (23, 4)
    )
    make_model("b", run_hours=closed_now)
    waiting("b")
    configure(WORKER_HOURS=open_now)

    view = look(Asker())

    assert not the_one(view).is_open
    assert view.opens_at is None and view.place.closes_at < inf
    configure(WORKER_HOURS=closed_now)
    assert look(Asker()).opens_at is not None


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        ({"pace": 4.0, "tokens_per_second": 1.0}, 0.25),
        ({"pace": None, "tokens_per_second": 512.0}, 0.5),
        (
            {"pace": None, "tokens_per_second": 100.0, "answered": 20, "tokens": 400},
            0.2,
        ),
        ({"pace": None, "tokens_per_second": None}, UNKNOWN_LINE_SECONDS),
    ],
)
def test_a_line_takes_what_is_known_best(known, expected):
    assert line_seconds(**known) == expected


def test_many_batches_cost_no_more_queries_than_one():
    counts = []
    for number in (1, 40):
        for _ in range(number):
            waiting()
        with CaptureQueriesContext(connection) as queries:
            look(Asker(owner="me", has_in_hand=True))
        counts.append(len(queries))

    assert counts[0] == counts[1] <= 6
