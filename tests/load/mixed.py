"""Many clients at once, each at its own pace (T31)."""

import asyncio
import random
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass

from tests.load.calls import Caller, Calls
from tests.load.clients import BatchRunner, Pace, Reader, work
from tests.load.figures import Figure, faults, latencies
from tests.load.topology import Topology
from tests.load.watch import Watch, watching
from tests.rig.history import History
from vllm_batch.database import POOL

# One client in so many runs batches; the others look.
BATCH_RUNNERS = 8
# At the end so many at a time wait for their batches, for so long.
SETTLING, SETTLE_SECONDS = 16, 300
# Shorter runs say nothing about a slope.
SLOPE_SECONDS = 180
MB_PER_MINUTE = 5

Client = Reader | BatchRunner


@dataclass(frozen=True)
class Mixed:
    """How many clients, for how long, with pauses of how many seconds on average."""

    clients: int
    seconds: int
    pause: float

    async def run(self, topology: Topology) -> list[Figure]:
        """Let the clients work, see everything to its end, and judge."""
        history = History(topology.folder / "mixed")
        calls, after = Calls(), Calls()
        async with AsyncExitStack() as held:
            callers = [
                await held.enter_async_context(
                    Caller(topology.base_url, address, key, calls)
                )
                for address, key in zip(
                    topology.addresses(self.clients),
                    topology.keys(self.clients),
                    strict=True,
                )
            ]
            clients = [_client(n, caller, history) for n, caller in enumerate(callers)]
            watch = await self._work(topology, clients)
            for caller in callers:
                caller.calls = after
            await _settle(clients)
        print(latencies(calls))
        print("unwanted answers:", faults(calls))
        print("unwanted answers at the end:", faults(after))
        return [*self._figures(calls, watch), *_end(history, calls, after)]

    async def _work(self, topology: Topology, clients: list[Client]) -> Watch:
        pace = Pace(time.monotonic() + self.seconds, self.pause)
        async with watching(topology, every=max(1, self.seconds / 60)) as watch:
            await asyncio.gather(
                *(
                    work(pace, random.uniform(0, self.pause), client.step)
                    for client in clients
                )
            )
        return watch

    def _figures(self, calls: Calls, watch: Watch) -> list[Figure]:
        # A 503 may be; one without Retry-After or envelope is a fault, as all others.
        passing = calls.of("503")
        other = calls.faults().total() - passing
        is_long = self.seconds >= SLOPE_SECONDS
        slope = MB_PER_MINUTE if is_long else None
        pools = POOL["max_size"] * len(watch.memory)
        return [
            Figure("requests a second", len(calls.all) / self.seconds, None),
            Figure("answers 503 with Retry-After", _share(passing, calls), 1, "%"),
            Figure("other unwanted answers", other, 0),
            Figure("p95", calls.percentile(95), 3, "s"),
            Figure("p99", calls.percentile(99), 6, "s"),
            Figure("database connections of the web", max(watch.connections), pools),
            Figure("web memory, before", watch.first_memory(), None, "MB"),
            Figure("web memory, after", watch.last_memory(), None, "MB"),
            Figure("… its slope in a process", watch.memory_slope(), slope, "MB/min"),
        ]


def _share(count: int, calls: Calls) -> float:
    return 100 * count / max(len(calls.all), 1)


def _client(number: int, caller: Caller, history: History) -> Client:
    if number % BATCH_RUNNERS:
        return Reader(caller, history)
    return BatchRunner(caller, history)


async def _settle(clients: list[Client]) -> None:
    gate = asyncio.Semaphore(SETTLING)
    ends_at = time.monotonic() + SETTLE_SECONDS

    async def one(client: Client) -> None:
        async with gate:
            await client.settle(ends_at)

    await asyncio.gather(*map(one, clients))


def _end(history: History, calls: Calls, after: Calls) -> list[Figure]:
    """Judge by what clients were told: each line once, each upload as it was sent."""
    verdict = history.verdict()
    print(f"what clients were told: {verdict}")
    batches = sum(event["op"] == "created" for event in history.events)
    uploads = sum(event["op"] == "uploaded" for event in history.events)
    return [
        Figure("batches", batches, None),
        Figure("uploads", uploads, None),
        Figure("lines", verdict.lines, None),
        Figure("lines lost", verdict.lost, 0),
        Figure("lines doubled", verdict.doubled, 0),
        Figure("lines torn", verdict.torn, 0),
        Figure("complaints of the checker", len(verdict.complaints), 0),
        Figure("wrong contents", len(calls.wrong) + len(after.wrong), 0),
    ]
