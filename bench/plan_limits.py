"""How often a fleet's workers call what, and what one PostgreSQL can bear."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from django.conf import settings

from bench.load import CHUNK_LINES, Loads
from workers.running.feeding import MOST_SOURCES, POLL_SECONDS, TURN_LINES
from workers.running.runner import WATCH_SECONDS
from workers.slots.pulse import LONGEST_BEAT_SECONDS
from workers.slots.slot import LOOK_SECONDS
from workers.status import SILENCE
from workers.supervising.supervisor import SWEEP_SECONDS

# Counted while eight worked (`python -m bench workers`): 103 with the web server's.
# Threads of the slot, the supervisor, and the processes of both queues.
CONNECTIONS = 12
# Chunks of 1,024 lines in a batch of 50,000: more workers it cannot have.
MOST_PER_BATCH = 49


class Asked(NamedTuple):
    """What a fleet asks of the database, all workers together."""

    statements: float
    commits: float
    cores: float
    connections: int
    row_seconds: float


@dataclass(frozen=True)
class Calls:
    """Calls a second of one worker, by what bench/load.py calls them."""

    gpus: int
    rates: dict[str, float]

    def of(self, loads: Loads) -> Asked:
        """Return what they add up to."""
        each = [(loads[name], rate) for name, rate in self.rates.items()]
        statements = sum(load.statements * rate for load, rate in each)
        # A transaction counts once, whatever it writes: one flush of the log.
        writing = sum(rate for load, rate in each if load.writes)
        cores = sum(load.cpu * rate for load, rate in each)
        together = min(self.gpus, MOST_PER_BATCH)
        return Asked(
            self.gpus * statements,
            self.gpus * writing,
            self.gpus * cores,
            self.gpus * CONNECTIONS,
            # All who work at a batch may want to commit in one moment.
            together * loads["segment"].held,
        )


def calls_of(gpus: int, pace: float, segment_seconds: float) -> Calls:
    """Return what a worker at `pace` lines a second calls how often."""
    # It looks between two turns of lines, and not more often than it polls.
    looks = min(1 / POLL_SECONDS, pace / TURN_LINES)
    # Of each open chunk with new results one; those of a pause lie in one.
    lines = pace * segment_seconds
    chunks = MOST_SOURCES * (1 - (1 - 1 / MOST_SOURCES) ** lines)
    return Calls(
        gpus,
        {
            "claim": pace / CHUNK_LINES,
            "look for another project": looks,
            "segment": chunks / segment_seconds,
            "heartbeat": 1 / LONGEST_BEAT_SECONDS,
            "choice of the model": 1 / LOOK_SECONDS,
            "watch": 1 / WATCH_SECONDS,
            "sweep": 1 / SWEEP_SECONDS,
            "symptoms": 1 / SWEEP_SECONDS,
            # Of a queue for ops, and of one for the GPU.
            "poll": 2 / settings.Q_CLUSTER["poll"],
        },
    )


@dataclass(frozen=True)
class Limit:
    """What one PostgreSQL on a good machine bears, and what comes after it."""

    what: str
    of: Callable[[Asked], float]
    most: float
    then: str


LIMITS = (
    Limit(
        "connections",
        lambda asked: asked.connections,
        1_000,
        "PgBouncer, in transaction mode",
    ),
    Limit(
        "cores",
        lambda asked: asked.cores,
        16,
        "one sweeper for the fleet and longer polls",
    ),
    Limit(
        "commits a second",
        lambda asked: asked.commits,
        5_000,
        "longer segments (WORKER_SEGMENT_SECONDS)",
    ),
    Limit(
        "seconds for a batch's row",
        lambda asked: asked.row_seconds,
        SILENCE.total_seconds(),
        "counters of a batch in several rows",
    ),
)
