"""Why a batch is not moving, and when it will be ready."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from batches.models import BatchJob
from batches.waiting import Fleet, Situation, Worker, eta_seconds, why_waiting

NOW = timezone.now()
HOUR = timedelta(hours=1)


def batch(**fields: Any) -> BatchJob:
    defaults: dict[str, Any] = {
        "status": "in_progress",
        "model": "stub",
        "expires_at": NOW + HOUR,
        "created_at": NOW,
    }
    return BatchJob(**{**defaults, **fields})


def situation(*workers: Worker, models: Any = ("stub",), **facts: Any) -> Situation:
    return Situation(now=NOW, fleet=Fleet(workers=workers, models=models), **facts)


def worker(state: str = "running", **fields: Any) -> Worker:
    return Worker(**{"owner": "w", "state": state, "model": "stub", **fields})


def code(job: BatchJob, facts: Situation) -> str | None:
    waiting = why_waiting(job, facts)
    return waiting.code if waiting else None


@pytest.mark.parametrize("status", ["completed", "failed", "expired", "cancelled"])
def test_a_batch_that_has_ended_waits_for_nothing(status):
    assert why_waiting(batch(status=status), situation()) is None


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"status": "validating"}, "validating"),
        ({"status": "finalizing"}, "finalizing"),
        ({"status": "cancelling"}, "cancelling"),
        ({"expires_at": NOW}, "expiring"),
        ({"paused_reason": "by hand"}, "paused"),
        ({"model": "gone"}, "model_disabled"),
    ],
)
def test_the_batch_itself_may_be_why(fields, expected):
    assert code(batch(**fields), situation(worker())) == expected


@pytest.mark.parametrize("status", ["validating", "finalizing", "in_progress"])
def test_without_a_worker_nothing_moves(status):
    dead = worker(is_alive=False)

    assert code(batch(status=status), situation()) == "no_worker"
    assert code(batch(status=status), situation(dead)) == "no_worker"


@pytest.mark.parametrize("fields", [{"status": "cancelling"}, {"expires_at": NOW}])
def test_a_stopped_batch_says_whether_a_worker_still_holds_a_chunk(fields):
    held = why_waiting(batch(**fields), situation(holders={"w"}))
    free = why_waiting(batch(**fields), situation())

    assert held is not None and "still holds a chunk" in held.message
    assert free is not None and "files are written" in free.message


def test_a_paused_batch_says_why():
    waiting = why_waiting(batch(paused_reason="the disk is full"), situation())

    assert waiting is not None and "the disk is full" in waiting.message


@pytest.mark.parametrize("fields", [{}, {"model": "other"}, {"state": "draining"}])
def test_a_batch_whose_chunk_is_held_moves_whatever_an_old_heartbeat_says(fields):
    assert why_waiting(batch(), situation(worker(**fields), holders={"w"})) is None


@pytest.mark.parametrize(
    ("state", "fields", "expected"),
    [
        ("idle", {"reason": "no such folder"}, "model_failed"),
        ("loading", {}, "model_loading"),
        ("loading", {"reason": "the engine died"}, "engine_rebuilding"),
        ("running", {"reason": "waiting for the engine"}, "engine_waiting"),
        ("paused", {"reason": "the disk is full"}, "worker_paused"),
        ("draining", {}, "worker_draining"),
        ("running", {"model": "other"}, "other_model"),
        ("loading", {"model": "other"}, "other_model"),
        ("dreaming", {}, "worker_busy"),
    ],
)
def test_the_worker_may_be_why(state, fields, expected):
    waiting = why_waiting(batch(), situation(worker(state, **fields)))

    assert waiting is not None and waiting.code == expected
    assert fields.get("reason", "") in waiting.message


@pytest.mark.parametrize("state", ["running", "paused"])
def test_a_worker_that_holds_a_chunk_may_be_stuck(state):
    stuck = worker(state, reason="waiting for the engine")

    assert code(batch(), situation(stuck, holders={"w"})) in (
        "engine_waiting",
        "worker_paused",
    )


def test_a_holder_that_is_gone_is_waited_for():
    assert code(batch(), situation(worker(), holders={"x"})) == "worker_lost"


@pytest.mark.parametrize(
    ("ahead", "text"), [(0, "take it next"), (1, "1 batch."), (3, "3 batches.")]
)
def test_a_batch_in_the_queue_says_how_many_are_ahead(ahead, text):
    waiting = why_waiting(batch(), situation(worker(), ahead=ahead))

    assert waiting is not None and waiting.code == "queued"
    assert text in waiting.message


def test_of_several_workers_the_nearest_one_counts():
    others = [worker(model="other"), worker("idle", model="")]

    assert code(batch(), situation(*others, ahead=1)) == "queued"
    near = [worker(model="other"), worker("loading")]
    assert code(batch(), situation(*near)) == "model_loading"


def test_a_model_outside_its_hours_says_when_they_begin():
    text = "runs at 22:00-08:00 only; that begins 2026-05-05 22:00 UTC"
    fleet = Fleet(workers=[worker("idle")], models={"stub"}, closed={"stub": text})

    waiting = why_waiting(batch(), Situation(now=NOW, fleet=fleet))
    held = why_waiting(batch(), Situation(now=NOW, fleet=fleet, holders={"w"}))

    assert waiting == ("outside_hours", f"The model stub {text}.")
    assert held is None


def test_a_model_that_has_to_wait_is_told_for_what():
    waiting = why_waiting(batch(), situation(worker(model="other")))

    assert waiting is not None
    assert "other has the GPU" in waiting.message and "deadline" in waiting.message


def test_a_batch_of_several_models_is_no_models_own():
    mixed = batch(model=None)

    assert code(mixed, situation(worker(model="other"))) == "queued"


def running(seconds: float, **fields: Any) -> BatchJob:
    since = NOW - timedelta(seconds=seconds)
    return batch(first_result_at=since, total=100, **fields)


MOVING = situation(worker(), holders={"w"})


def test_the_eta_follows_the_pace():
    assert eta_seconds(running(60, completed=20, failed=5), MOVING) == 180


def test_no_batch_takes_longer_than_its_window():
    assert eta_seconds(running(3000, completed=1), MOVING) == 3600


@pytest.mark.parametrize(
    ("job", "facts"),
    [
        (batch(total=10), MOVING),
        (running(1, completed=50), MOVING),
        (running(60), MOVING),
        (running(60, completed=50), situation(worker())),
        (running(60, completed=100, status="finalizing"), MOVING),
        (running(60, completed=100, status="completed"), MOVING),
    ],
)
def test_nobody_can_tell_when_nothing_moves_or_it_has_just_begun(job, facts):
    assert eta_seconds(job, facts) is None
