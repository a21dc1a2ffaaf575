"""Decide which model a worker serves next. Pure: no clock, no database, no engine.

A swap takes time and answers nobody, so the loaded model stays while it has work, until

1. a deadline is at risk: then the model it belongs to, the earliest deadline first;
2. another model has waited for `patience_seconds`, and this one had its quantum.

A worker without work for its model takes the model with the highest priority, then the
earliest deadline. It leaves a model that another worker has loaded to that one, unless
the backlog is worth a swap of its own or is too much for those who have it.

All times are seconds on one clock, whichever. docs/explanation/scheduling.md explains.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from math import inf
from typing import NamedTuple

# A second worker for a model has to save this many times what its swap costs.
JOINING_FACTOR = 10
# Less spare time than this part of the time left is too little to order by wishes.
SPARE_SHARE = 0.2


class Due(NamedTuple):
    """Work that has to end by a time; both are in seconds."""

    deadline: float
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Demand:
    """What waits for one model.

    `dues` stand by their deadline, `waiting_since` is when the model last had a worker
    or its work came, `closes_at` the end of its run hours, and `others` how many other
    live workers have it loaded.
    """

    model: str
    dues: Sequence[Due]
    waiting_since: float = inf
    priority: int = 0
    swap_seconds: float = 0.0
    is_open: bool = True
    closes_at: float = inf
    is_cooling: bool = False
    others: int = 0

    @property
    def seconds(self) -> float:
        """All of its work, for one worker."""
        return sum(due.seconds for due in self.dues)

    @property
    def deadline(self) -> float:
        """The earliest of its deadlines."""
        return self.dues[0].deadline if self.dues else inf


@dataclass(frozen=True, kw_only=True)
class Place:
    """The worker that decides: the time, what it has loaded, and how many there are."""

    now: float
    loaded: str | None = None
    loaded_at: float = -inf
    workers: int = 1
    closes_at: float = inf


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What the operator set; `margin_seconds` is kept free before each deadline."""

    quantum_seconds: float = 300.0
    patience_seconds: float = 14_400.0
    margin_seconds: float = 120.0
    drain_seconds: float = 60.0


class Turn(NamedTuple):
    """The model to serve, until when at most, and why; None: wait, and say why."""

    model: str | None
    until: float = inf
    why: str = ""


CLOSED = "what waits is outside its run hours"
COOLING = "what waits did not load a moment ago"
SERVED = "other workers have the models that are waited for"


def choose(demands: Sequence[Demand], place: Place, terms: Terms) -> Turn:
    """Return whose turn it is now. Ask again often: the answer changes as work ends."""
    ready = [demand for demand in demands if _is_ready(demand, place, terms)]
    home = next((d for d in ready if d.model == place.loaded), None)
    chosen, why = _at_risk(ready, place, terms), "a deadline is at risk"
    if chosen is None and home is not None:
        chosen, why = _impatient(ready, place, terms), "it has waited long enough"
        if chosen is None:
            chosen, why = home, "it is loaded"
    elif chosen is None:
        chosen, why = _next_of(ready, terms), "nothing else is loaded"
    if chosen is None:
        return Turn(None, why=_why_none(demands, ready))
    closes_at = min(chosen.closes_at, place.closes_at)
    return Turn(chosen.model, closes_at - terms.drain_seconds, why)


def _is_ready(demand: Demand, place: Place, terms: Terms) -> bool:
    """Tell whether it could answer anything before the hours of both are over."""
    if demand.is_cooling or not demand.is_open or not demand.dues:
        return False
    swap = 0.0 if demand.model == place.loaded else demand.swap_seconds
    closes_at = min(demand.closes_at, place.closes_at)
    return closes_at - place.now > terms.drain_seconds + swap


def _why_none(demands: Sequence[Demand], ready: Sequence[Demand]) -> str:
    if ready:
        return SERVED
    if any(demand.is_cooling for demand in demands):
        return COOLING
    return CLOSED if demands else ""


def _at_risk(ready: Sequence[Demand], place: Place, terms: Terms) -> Demand | None:
    """Return the model to serve because a deadline would be missed otherwise.

    One whose own work barely fits before one of its deadlines comes first. Then those
    whose work and all that is due before it barely fit, taken together.
    """
    alone = [(at, d) for d in ready if (at := _tight(d, place, terms)) < inf]
    if alone:
        return min(alone, key=lambda pair: (pair[0], pair[1].model != place.loaded))[1]
    names = _tight_together(ready, place, terms)
    candidates = [
        demand
        for demand in ready
        if demand.model in names and (demand.model == place.loaded or not demand.others)
    ]
    if not candidates:
        return None
    home = (d for d in candidates if d.model == place.loaded)
    return next(home, min(candidates, key=lambda demand: demand.deadline))


def _tight(demand: Demand, place: Place, terms: Terms) -> float:
    """Return the first deadline its own work barely meets, or infinity.

    Those who have it loaded share its work.
    """
    is_home = demand.model == place.loaded
    servers = demand.others + is_home
    swap = 0.0 if servers else demand.swap_seconds
    free_from = place.now + swap + terms.margin_seconds
    work = 0.0
    for due in demand.dues:
        work += due.seconds / max(1, servers)
        if place.now < due.deadline < free_from + work:
            return due.deadline
    return inf


def _tight_together(
    ready: Sequence[Demand], place: Place, terms: Terms
) -> Collection[str]:
    """Return the models with work up to the first deadline that all barely meet.

    The work of every model up to a deadline, swaps included, has to fit before it.
    """
    swaps = {
        demand.model: demand.swap_seconds
        for demand in ready
        if demand.model != place.loaded and not demand.others
    }
    seen: dict[str, None] = {}
    work = 0.0
    for due, model in _by_deadline(ready):
        work += due.seconds + swaps.pop(model, 0.0)
        seen[model] = None
        spare = due.deadline - place.now - work / max(1, place.workers)
        if spare < terms.margin_seconds and due.deadline > place.now:
            return seen
    return ()


def _by_deadline(ready: Sequence[Demand]) -> Iterator[tuple[Due, str]]:
    pairs = [(due, demand.model) for demand in ready for due in demand.dues]
    yield from sorted(pairs)


def _impatient(ready: Sequence[Demand], place: Place, terms: Terms) -> Demand | None:
    """Return the model that has waited longest, if that is too long for it."""
    if place.now - place.loaded_at < terms.quantum_seconds:
        return None
    waiting = [
        demand
        for demand in ready
        if demand.model != place.loaded
        and not demand.others
        and place.now - demand.waiting_since >= terms.patience_seconds
    ]
    return min(waiting, key=lambda demand: demand.waiting_since, default=None)


def _next_of(ready: Sequence[Demand], terms: Terms) -> Demand | None:
    """Return what a worker takes whose own model has no work."""
    unserved = [demand for demand in ready if not demand.others]
    if unserved:
        return min(unserved, key=lambda demand: (-demand.priority, demand.deadline))
    worth = [demand for demand in ready if _is_worth_joining(demand, terms)]
    return max(worth, key=lambda d: d.seconds / d.others, default=None)


def _is_worth_joining(demand: Demand, terms: Terms) -> bool:
    least = max(terms.quantum_seconds, JOINING_FACTOR * demand.swap_seconds)
    return demand.seconds / demand.others > least


def urgent_until(dues: Sequence[Due], now: float, margin_seconds: float) -> float:
    """Return the last deadline that priorities would put at risk; -infinity if none.

    Batches due by then run by deadline, whatever their priority.
    """
    work, last = 0.0, -inf
    for due in dues:
        work += due.seconds
        left = due.deadline - now
        if left - work < max(margin_seconds, SPARE_SHARE * left):
            last = due.deadline
    return last
