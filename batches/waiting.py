"""Say why a batch is not moving, and when it will be ready. Pure: facts in, words out.

The facts about workers come from outside (`settings.WORKER_STATUS`), because imports
point up only.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from batches.models import BatchJob, Status

# Sooner, the first results say nothing about the pace.
LEAST_SECONDS = 2.0


class Waiting(NamedTuple):
    """Why nothing happens: a word for programs, a sentence for people."""

    code: str
    message: str


@dataclass(frozen=True, kw_only=True)
class Worker:
    """A slot's worker: `state` is idle, loading, running, paused or draining.

    `reason` says why it does not run what waits: a model that failed to load, an engine
    that is built again, a disk that is full.
    """

    owner: str
    state: str
    model: str = ""
    reason: str = ""
    is_alive: bool = True


@dataclass(frozen=True, kw_only=True)
class Fleet:
    """The workers, and the models that are enabled."""

    workers: Sequence[Worker] = ()
    models: Collection[str] = ()
    # The names of LoRA adapters, each with the model that answers for it.
    bases: Mapping[str, str] = field(default_factory=dict)
    # Enabled models outside their run hours, and what is known of the next ones.
    closed: Mapping[str, str] = field(default_factory=dict)
    # Why models that are not enabled were switched off, as far as that is known.
    disabled: Mapping[str, str] = field(default_factory=dict)

    def base_of(self, name: str | None) -> str | None:
        """Return the model a worker loads for a name that batches may use."""
        return self.bases.get(name, name) if name else name

    @property
    def alive(self) -> list[Worker]:
        """The workers that gave a sign of life a moment ago."""
        return [worker for worker in self.workers if worker.is_alive]


@dataclass(frozen=True, kw_only=True)
class Situation:
    """What is known about one batch: the time, who holds its chunks, who is ahead."""

    now: datetime
    fleet: Fleet = field(default_factory=Fleet)
    holders: Collection[str] = ()
    ahead: int = 0


def eta_seconds(batch: BatchJob, situation: Situation) -> int | None:
    """Return how long the batch will take at its pace; None if nobody can tell."""
    is_moving = batch.status == Status.IN_PROGRESS and not why_waiting(batch, situation)
    done = batch.completed + batch.failed
    if not is_moving or batch.first_result_at is None or not done:
        return None
    elapsed = (situation.now - batch.first_result_at).total_seconds()
    if elapsed < LEAST_SECONDS:
        return None
    left = (batch.expires_at - situation.now).total_seconds()
    return max(0, round(min(elapsed * (batch.total - done) / done, left)))


def why_waiting(batch: BatchJob, situation: Situation) -> Waiting | None:
    """Return why the batch is not moving; None if it moves, or has ended."""
    if batch.is_terminal:
        return None
    if batch.status == Status.CANCELLING:
        return Waiting("cancelling", _ending(situation, "The batch was cancelled"))
    if batch.status == Status.IN_PROGRESS and batch.expires_at <= situation.now:
        text = _ending(situation, "The completion window is over")
        return Waiting("expiring", text)
    if batch.paused_reason and batch.status != Status.FINALIZING:
        return Waiting("paused", f"The batch is paused: {batch.paused_reason}")
    if not situation.fleet.alive:
        return Waiting(
            "no_worker", "No worker is alive: start one with manage.py runworker."
        )
    if batch.status == Status.VALIDATING:
        return Waiting("validating", "The input file is read and checked.")
    if batch.status == Status.FINALIZING:
        return Waiting("finalizing", "The output and error files are written.")
    return _why_not_running(batch, situation)


def _ending(situation: Situation, cause: str) -> str:
    if situation.holders:
        return f"{cause}; a worker still holds a chunk."
    return f"{cause}; the output and error files are written."


def _why_not_running(batch: BatchJob, situation: Situation) -> Waiting | None:
    fleet = situation.fleet
    if batch.model and batch.model not in fleet.models:
        text = f"The model {batch.model} is not enabled"
        reason = fleet.disabled.get(batch.model)
        return Waiting("model_disabled", f"{text}: {reason}" if reason else f"{text}.")
    closed = fleet.closed.get(fleet.base_of(batch.model) or "")
    if situation.holders:
        holding = [w for w in fleet.alive if w.owner in situation.holders]
        if not holding:
            text = "The worker that held a chunk is gone; its lease has to end."
            return Waiting("worker_lost", text)
        # Its heartbeat may be older than its claim: only a reason says it is stuck.
        is_stuck = all(worker.reason for worker in holding)
        return _of_state(holding[0]) if is_stuck else None
    if closed:
        return Waiting("outside_hours", f"The model {batch.model} {closed}.")
    return _why_not_claimed(batch, situation)


def _why_not_claimed(batch: BatchJob, situation: Situation) -> Waiting:
    """Return what keeps the worker that is nearest to the batch from claiming it."""
    alive = situation.fleet.alive
    model = situation.fleet.base_of(batch.model)
    reasons = [_of_worker(model, worker) for worker in alive]
    if None not in reasons:
        # Those that have the batch's model, or work at having it, are nearer.
        order = sorted(alive, key=lambda worker: worker.model != model)
        reason = _of_worker(model, order[0])
        assert reason is not None  # noqa: S101 - none of them is None
        return reason
    if situation.ahead:
        plural = "es" if situation.ahead > 1 else ""
        text = f"Waiting behind {situation.ahead} batch{plural}."
        return Waiting("queued", text)
    return Waiting("queued", "A worker will take it next.")


_STATES = {
    "paused": ("worker_paused", "The worker is paused"),
    "draining": ("worker_draining", "The worker is stopping"),
    "loading": ("model_loading", "The model is being loaded"),
    "idle": ("model_failed", "The model could not be loaded"),
    "running": ("engine_waiting", "The engine is not ready"),
}


_WHEN_IT_SWAPS = (
    "it stays while it has work, until another model's deadline is at risk or that"
    " model has waited long enough"
)


def _of_worker(model: str | None, worker: Worker) -> Waiting | None:
    """Return why this worker does not run the model; None if it does."""
    is_other = bool(model) and worker.model not in ("", model)
    if is_other and worker.state in ("running", "loading"):
        return Waiting("other_model", f"{worker.model} has the GPU: {_WHEN_IT_SWAPS}.")
    if worker.state in ("idle", "running") and not worker.reason:
        return None
    return _of_state(worker)


def _of_state(worker: Worker) -> Waiting:
    code, text = _STATES.get(worker.state, ("worker_busy", worker.state))
    if worker.state == "loading" and worker.reason:
        code, text = "engine_rebuilding", "The model is loaded again"
    return Waiting(code, f"{text}: {worker.reason}" if worker.reason else f"{text}.")
