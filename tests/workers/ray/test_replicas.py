"""Replicas: found, scaled, given up; which of them a request goes to."""

import asyncio
from pathlib import Path

import pytest

from tests.workers.ray.nodes import Nodes
from tests.workers.ray.telling import (
    count,
    is_alive,
    ray_engine,
    ready,
    told,
    until,
)
from tests.workers.servers import ask, body, started, text_of
from workers.engines.base import EngineStartFailed


def test_work_that_waits_brings_up_another_replica_and_idleness_ends_it(
    nodes: Nodes, tmp_path: Path
):
    engine = ray_engine(
        tmp_path, concurrency=4, max_replicas=2, up_seconds=0.1, idle_seconds=0.5
    )

    async def main() -> list[str]:
        async with started(engine):
            asked = [
                asyncio.ensure_future(ask(engine, f"SLEEP 0.2 {number}"))
                for number in range(200)
            ]
            await until(lambda: len(told(tmp_path)) == 2)
            answers = await asyncio.gather(*asked)
            await until(lambda: sum(map(is_alive, told(tmp_path))) == 1)
            answers.append(await ask(engine, "ECHO still here"))
            return [text_of(answer) for answer in answers]

    texts = asyncio.run(main())

    assert texts == [*map(str, range(200)), "still here"]


def test_a_replica_leaves_though_the_worker_sleeps(nodes: Nodes, tmp_path: Path):
    engine = ray_engine(tmp_path, min_replicas=0, max_replicas=1, idle_seconds=0.5)
    runner = asyncio.Runner()
    with runner:
        runner.run(engine.start())
        runner.run(ask(engine, "ECHO one"))
        (pid,) = told(tmp_path)
        # From here on the worker's loop stands still, as it does between two runs.
        asyncio.run(until(lambda: not is_alive(pid)))
        answer = runner.run(ask(engine, "ECHO two"))
        runner.run(engine.stop())

    assert text_of(answer) == "two"
    assert len(told(tmp_path)) == 2


def test_prompts_with_one_start_stay_on_one_replica(nodes: Nodes, tmp_path: Path):
    engine = ray_engine(tmp_path, min_replicas=2, max_replicas=2)
    prompts = [f"ECHO {group * 600} {number}" for number in range(6) for group in "ab"]

    async def main() -> None:
        async with started(engine):
            await until(lambda: ready() == 2)
            for prompt in prompts:
                await ask(engine, prompt)

    asyncio.run(main())

    for group in "ab":
        events = {pid: "\n".join(lines) for pid, lines in told(tmp_path).items()}
        assert sum(f"ECHO {group * 600}" in text for text in events.values()) == 1


def test_one_start_for_all_prompts_leaves_no_replica_idle(nodes: Nodes, tmp_path: Path):
    engine = ray_engine(tmp_path, min_replicas=2, max_replicas=2)

    async def main() -> None:
        async with started(engine):
            await until(lambda: ready() == 2)
            asked = (ask(engine, f"SLEEP 0.3 {'a' * 600} {n}") for n in range(60))
            await asyncio.gather(*asked)

    asyncio.run(main())

    assert all(number >= 12 for number in count(tmp_path, "got").values())
    assert len(told(tmp_path)) == 2


def test_a_cancelled_request_is_aborted_in_the_replica(nodes: Nodes, tmp_path: Path):
    engine = ray_engine(tmp_path, max_replicas=1)

    async def main() -> None:
        async with started(engine):
            asked = asyncio.ensure_future(ask(engine, "HANG"))
            await until(lambda: sum(count(tmp_path, "got").values()) == 1)
            asked.cancel()
            await until(lambda: sum(count(tmp_path, "CancelledError").values()) == 1)

    asyncio.run(main())


def test_large_bodies_and_answers_arrive_whole(nodes: Nodes):
    engine = ray_engine(max_replicas=1)
    sent = [body("BODY " + "x" * 1_000_000 + str(n)) for n in range(12)]

    async def main() -> list[str]:
        async with started(engine):
            posts = (engine.post("/v1/chat/completions", one) for one in sent)
            return [text_of(answer) for answer in await asyncio.gather(*posts)]

    assert asyncio.run(main()) == [one.decode() for one in sent]


def test_an_engine_that_does_not_start_says_why(nodes: Nodes):
    engine = ray_engine(max_replicas=1)
    engine.engine_args |= {"load_error": "no such model", "load_error_is_lasting": True}

    with pytest.raises(EngineStartFailed, match="no such model") as caught:
        asyncio.run(_start(engine))

    assert caught.value.is_lasting


def test_a_cluster_without_room_says_what_is_missing(nodes: Nodes, configure):
    configure(ENGINE_START_SECONDS=2)
    engine = ray_engine(max_replicas=1, num_gpus=1)

    with pytest.raises(EngineStartFailed, match="needs CPU 1, GPU 1; the cluster has"):
        asyncio.run(_start(engine))


@pytest.mark.parametrize(
    ("table", "text"),
    [
        ({"replicas": 3}, "ray.replicas is unknown; there are block_lines, engine,"),
        ({"min_replicas": 3, "max_replicas": 2}, "min_replicas is 3, max_replicas 2"),
        ({"max_replicas": "all"}, "ray.max_replicas is a whole number from 0"),
        ({"num_gpus": -1}, "ray.num_gpus is a number from 0"),
        ({"resources": {"GPU": 1}}, "CPUs and GPUs are num_cpus, num_gpus"),
        ({"engine": "ray"}, "the name of another engine"),
        ({"engine": "nope"}, "there is no engine nope"),
    ],
)
def test_a_table_that_cannot_be_is_refused(table, text):
    with pytest.raises(EngineStartFailed, match=text) as caught:
        asyncio.run(_start(ray_engine(**table)))

    assert caught.value.is_lasting


async def _start(engine) -> None:
    try:
        await engine.start()
    finally:
        await engine.stop()
