"""Own processor time of a request to a replica on Ray: in blocks, or a call a line."""

import asyncio
import json
import os
import statistics
import time
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from bench.engines import NullEngine
from bench.measure import in_turn, ratio
from bench.options import Options
from bench.processes import tree_cpu
from bench.report import Report
from bench.workloads import chat_lines
from workers.engines import make_engine
from workers.engines.base import Answer

URL = "/v1/chat/completions"
# As the runner has in flight for one replica of vLLM with 256 sequences.
IN_FLIGHT = 512
Post = Callable[[str, bytes], Awaitable[Answer]]


class Cpu(NamedTuple):
    """Processor seconds a request: of the worker's side, and of everything."""

    worker: float
    all: float


def run(options: Options) -> Report:
    """Send the same requests to the same engine in an actor, both ways in turn."""
    count = options.size(20_000, 2_000)
    bodies = [
        json.dumps(json.loads(line)["body"]).encode()
        for line in chat_lines(count, model="bench")
    ]
    with asyncio.Runner() as runner:
        table = {"engine": "null", "max_replicas": 1}
        engine = make_engine(
            "ray", model="bench", source="", engine_args={"ray": table}
        )
        runner.run(engine.start())
        try:
            alone = _actor()
            posts: list[Post] = [engine.post, alone]
            ways = [lambda p=post: runner.run(_spend(p, bodies)) for post in posts]
            blocks, calls = in_turn(ways, options.pairs)
        finally:
            runner.run(engine.stop())
    return _report(count, blocks, calls)


def _actor() -> Post:
    """Return what asks an actor by one remote call a line."""
    import ray

    @ray.remote(num_cpus=0, max_concurrency=2 * IN_FLIGHT)
    class Alone:
        def __init__(self) -> None:
            self._engine = NullEngine(model="bench", source="", engine_args={})

        async def post(self, url: str, body: bytes) -> Answer:
            return await self._engine.post(url, body)

    made: Any = Alone
    actor = made.remote()

    async def post(url: str, body: bytes) -> Answer:
        answer: Answer = await actor.post.remote(url, body)
        return answer

    return post


async def _spend(post: Post, bodies: list[bytes]) -> Cpu:
    left = iter(bodies)

    async def work() -> None:
        for body in left:
            answer = await post(URL, body)
            assert answer.status == 200

    own, everything = time.process_time(), tree_cpu(os.getpid())
    await asyncio.gather(*(work() for _ in range(IN_FLIGHT)))
    own, everything = time.process_time() - own, tree_cpu(os.getpid()) - everything
    return Cpu(own / len(bodies), everything / len(bodies))


def _report(count: int, blocks: list[Cpu], calls: list[Cpu]) -> Report:
    report = Report(f"own processor time on Ray, {count:,} lines, a null engine")
    for what, index, most in (
        ("the worker's side", 0, 0.3),
        ("both sides and Ray's own processes", 1, 0.3),
    ):
        ours, theirs = [one[index] for one in blocks], [one[index] for one in calls]
        shown = [f"{1e6 * statistics.median(v):.0f} µs" for v in (ours, theirs)]
        text = f"blocks / one .remote() a line, {what} ({shown[0]} / {shown[1]})"
        report.add("G13", text, ratio(ours, theirs), at_most=most)
    return report
