"""A simulated fleet: jobs for models on GPUs whose swaps cost time. Pure and seeded."""

import heapq
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

HOUR = 3600.0
WINDOWS = (1 * HOUR, 4 * HOUR, 24 * HOUR)


@dataclass
class Job:
    """A batch: work in seconds of one GPU, for one model."""

    number: int
    model: str
    arrival: float
    deadline: float
    work: float
    left: float = 0.0
    ended_at: float | None = None
    # A GPU has it in hand; as the product's chunks of one batch, it is not shared.
    is_held: bool = False

    def __post_init__(self) -> None:
        self.left = self.work


@dataclass
class Gpu:
    """One GPU: what it has loaded since when, and what it is doing."""

    number: int
    loaded: str | None = None
    loaded_at: float = 0.0
    job: Job | None = None
    is_loading: bool = False
    swaps: int = 0
    swap_seconds: float = 0.0
    work_seconds: float = 0.0
    last_served: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class World:
    """Fleet and costs; `quantum` is how long a job runs before a policy is asked."""

    gpus: int
    swap: float
    quantum: float = 60.0


@dataclass
class State:
    """What a policy sees."""

    world: World
    now: float
    waiting: dict[str, list[Job]]
    gpus: list[Gpu]

    def jobs(self) -> list[Job]:
        """All jobs that nobody has in hand."""
        return [job for jobs in self.waiting.values() for job in jobs]


Policy = Callable[[State, Gpu], Job | None]


@dataclass(frozen=True)
class Result:
    """What became of the jobs under one policy.

    `missed` and `swap_share` are per cent, `turnaround` the mean seconds of those that
    ended.
    """

    missed: float
    swap_share: float
    swaps: int
    swaps_per_job: float
    turnaround: float


def simulate(jobs: Sequence[Job], world: World, policy: Policy) -> Result:
    """Run all jobs until they end or expire."""
    gpus = [Gpu(number) for number in range(world.gpus)]
    state = State(world, 0.0, {}, gpus)
    arrivals = sorted(jobs, key=lambda job: (job.arrival, job.number), reverse=True)
    busy: list[tuple[float, int]] = []
    idle = dict.fromkeys(range(world.gpus))
    while arrivals or busy:
        next_end = busy[0][0] if busy else float("inf")
        next_arrival = arrivals[-1].arrival if arrivals else float("inf")
        state.now = min(next_end, next_arrival)
        while arrivals and arrivals[-1].arrival <= state.now:
            job = arrivals.pop()
            state.waiting.setdefault(job.model, []).append(job)
        while busy and busy[0][0] <= state.now:
            gpu = gpus[heapq.heappop(busy)[1]]
            _stop(state, gpu)
            idle[gpu.number] = None
        _expire(state)
        for number in list(idle):
            ends_at = _start(state, gpus[number], policy)
            if ends_at is not None:
                del idle[number]
                heapq.heappush(busy, (ends_at, number))
    return _result(jobs, gpus)


def _expire(state: State) -> None:
    """Forget what is too late, as the product does with batches."""
    for model, jobs in list(state.waiting.items()):
        left = [job for job in jobs if job.deadline > state.now]
        if left:
            state.waiting[model] = left
        else:
            del state.waiting[model]


def _start(state: State, gpu: Gpu, policy: Policy) -> float | None:
    """Let a GPU do one quantum of what the policy says; return when it ends."""
    job = policy(state, gpu)
    if job is None:
        return None
    swap = 0.0
    if gpu.loaded != job.model:
        if gpu.loaded is not None:
            gpu.last_served[gpu.loaded] = state.now
        swap = state.world.swap
        gpu.loaded, gpu.loaded_at = job.model, state.now + swap
        gpu.swaps += 1
        gpu.swap_seconds += swap
    waiting = state.waiting[job.model]
    waiting.remove(job)
    if not waiting:
        del state.waiting[job.model]
    job.is_held, gpu.job = True, job
    seconds = min(state.world.quantum, job.left)
    gpu.work_seconds += seconds
    job.left -= seconds
    return state.now + swap + seconds


def _stop(state: State, gpu: Gpu) -> None:
    job, gpu.job = gpu.job, None
    assert job is not None
    job.is_held = False
    if job.left > 1e-9:
        state.waiting.setdefault(job.model, []).append(job)
    else:
        job.ended_at = state.now


def _result(jobs: Sequence[Job], gpus: Sequence[Gpu]) -> Result:
    ends = [(job, job.ended_at) for job in jobs if job.ended_at is not None]
    in_time = sum(end <= job.deadline for job, end in ends)
    swap = sum(gpu.swap_seconds for gpu in gpus)
    swaps = sum(gpu.swaps for gpu in gpus)
    return Result(
        missed=100 * (1 - in_time / len(jobs)),
        swap_share=100 * swap / (swap + sum(gpu.work_seconds for gpu in gpus)),
        swaps=swaps,
        swaps_per_job=swaps / len(jobs),
        turnaround=sum(end - job.arrival for job, end in ends) / max(1, len(ends)),
    )


def draw_jobs(
    seed: int, *, gpus: int, models: int, jobs: int, load: float = 0.8
) -> list[Job]:
    """Draw jobs: models by Zipf, work log-normal, a third of each window.

    A job needs at most a sixth of its window. Arrivals are Poisson and ask for `load`
    of all GPUs, swaps not counted.
    """
    rng = random.Random(seed)
    names = [f"m{number}" for number in range(models)]
    weights = [1 / (rank + 1) for rank in range(models)]
    made: list[Job] = []
    for number in range(jobs):
        window = rng.choice(WINDOWS)
        work = min(rng.lognormvariate(5.0, 1.2), window / 6)
        model = rng.choices(names, weights)[0]
        made.append(Job(number, model, 0.0, window, max(5.0, work)))
    rate = load * gpus / (sum(job.work for job in made) / jobs)
    now = 0.0
    for job in made:
        now += rng.expovariate(rate)
        job.arrival, job.deadline = now, now + job.deadline
    return made


def fresh(jobs: Sequence[Job]) -> list[Job]:
    """Return the same jobs, not begun."""
    return [Job(j.number, j.model, j.arrival, j.deadline, j.work) for j in jobs]
