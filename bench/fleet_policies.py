"""Policies for the simulated fleet: three plain ones, and our own."""

from bench.fleet_world import Gpu, Job, Policy, State
from workers.scheduling.policy import Demand, Due, Place, Terms, choose

# What the worker keeps free before a deadline, beyond the quantum that must end first.
MARGIN_SECONDS = 60.0
# The worker does not know the work: it takes this many times what it measured.
CAUTION = 1.25


def fifo(state: State, gpu: Gpu) -> Job | None:
    """Return the job that came first, whatever is loaded."""
    return min(state.jobs(), key=lambda job: (job.arrival, job.number), default=None)


def edf(state: State, gpu: Gpu) -> Job | None:
    """Return the job with the earliest deadline, whatever is loaded."""
    return min(state.jobs(), key=lambda job: (job.deadline, job.number), default=None)


def round_robin() -> Policy:
    """Return a policy that gives each model one quantum after the other."""
    turns: dict[str, int] = {}

    def choose_next(state: State, gpu: Gpu) -> Job | None:
        if not state.waiting:
            return None
        model = min(state.waiting, key=lambda name: (turns.get(name, 0), name))
        turns[model] = max(turns.values(), default=0) + 1
        return _first_due(state.waiting[model])

    return choose_next


def ours(terms: Terms | None = None) -> Policy:
    """Return the product's policy; of one model, the earliest deadline runs first."""

    def choose_next(state: State, gpu: Gpu) -> Job | None:
        known = terms or Terms(margin_seconds=state.world.quantum + MARGIN_SECONDS)
        place = Place(
            now=state.now,
            loaded=gpu.loaded,
            loaded_at=gpu.loaded_at,
            workers=state.world.gpus,
        )
        turn = choose(_demands(state, gpu), place, known)
        return None if turn.model is None else _first_due(state.waiting[turn.model])

    return choose_next


def _demands(state: State, gpu: Gpu) -> list[Demand]:
    others: dict[str, int] = {}
    for other in state.gpus:
        if other is not gpu and other.loaded is not None:
            others[other.loaded] = others.get(other.loaded, 0) + 1
    return [
        Demand(
            model=model,
            dues=_dues(jobs),
            waiting_since=max(
                min(job.arrival for job in jobs), gpu.last_served.get(model, 0.0)
            ),
            swap_seconds=state.world.swap,
            others=others.get(model, 0),
        )
        for model, jobs in state.waiting.items()
    ]


def _dues(jobs: list[Job]) -> list[Due]:
    """Add up what is due at the same time, as the product does."""
    sums: dict[float, float] = {}
    for job in jobs:
        sums[job.deadline] = sums.get(job.deadline, 0.0) + CAUTION * job.left
    return [Due(deadline, sums[deadline]) for deadline in sorted(sums)]


def _first_due(jobs: list[Job]) -> Job:
    return min(jobs, key=lambda job: (job.deadline, job.number))


def all_policies() -> dict[str, Policy]:
    """Return each policy by its name, ours last."""
    return {"FIFO": fifo, "EDF": edf, "round robin": round_robin(), "ours": ours()}
