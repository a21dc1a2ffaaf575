"""How many requests an endpoint is given: less after errors, all of it again later."""

import asyncio
import time

import pytest
from aiohttp import web

from tests.workers.endpoints.servers import (
    Server,
    ask_all,
    fleet_of,
    numbered,
    state_of,
    status,
    texts_of,
    until,
)
from tests.workers.servers import ask
from workers.engines.base import Answer


@pytest.mark.parametrize("code", [429, 500, 503])
def test_a_storm_of_errors_costs_no_line(code):
    prompts = numbered(60)

    async def main() -> tuple[list[Answer], list[Server]]:
        async with fleet_of(2, concurrency=32) as (engine, servers):
            for server in servers:
                server.refuse = status(code)
            asked = asyncio.create_task(ask_all(engine, prompts))
            await until(lambda: sum(server.probes for server in servers) > 6)
            for server in servers:
                server.refuse = lambda prompt: None
            return await asked, servers

    answers, servers = asyncio.run(main())

    assert texts_of(answers) == prompts
    assert {answer.status for answer in answers} == {200}


def test_in_a_storm_only_probes_are_sent_after_a_while():
    async def main() -> tuple[int, int, int]:
        async with fleet_of(1, concurrency=64) as (engine, (server,)):
            server.refuse = status(429)
            asked = asyncio.create_task(ask_all(engine, numbered(64)))
            await until(lambda: server.probes > 2)
            before = server.lines.total()
            await until(lambda: server.probes > 4)
            asked.cancel()
            limit = state_of(engine, server)["limit"]
            return before, server.lines.total(), limit

    before, after, limit = asyncio.run(main())

    assert before == after and limit < 16


def test_the_limit_comes_back_to_all_of_it():
    async def main() -> tuple[int, int, int]:
        async with fleet_of(1, concurrency=32) as (engine, (server,)):
            server.refuse = status(503)
            asked = asyncio.create_task(ask_all(engine, numbered(32)))
            await until(lambda: server.probes > 1)
            low = state_of(engine, server)["limit"]
            server.refuse = lambda prompt: None
            await asked
            await ask_all(engine, numbered(800))
            server.seconds, server.most = 0.05, 0
            await ask_all(engine, numbered(200))
            return low, state_of(engine, server)["limit"], server.most

    low, high, most = asyncio.run(main())

    assert low < 8
    assert (high, most) == (32, 32)


def test_a_bad_line_now_and_then_does_not_slow_the_others():
    """Halving at each error ends at a few requests here (aibrix#2451)."""
    prompts = [f"HTTP 500 {n}" if n % 50 == 0 else f"ECHO {n}" for n in range(600)]

    def refuse(prompt: str) -> web.Response | None:
        return web.Response(status=500) if prompt.startswith("HTTP") else None

    async def main() -> tuple[list[Answer], int]:
        async with fleet_of(1, concurrency=32) as (engine, (server,)):
            server.refuse = refuse
            answers = await ask_all(engine, prompts)
            return answers, state_of(engine, server)["limit"]

    answers, limit = asyncio.run(main())

    statuses = [answer.status for answer in answers]
    assert statuses == [500 if n % 50 == 0 else 200 for n in range(600)]
    assert limit >= 24


def test_an_endpoint_that_asks_for_a_pause_gets_nothing_meanwhile():
    times: list[float] = []

    def refuse(prompt: str) -> web.Response | None:
        times.append(time.monotonic())
        headers = {"Retry-After": "0.5"}
        return web.Response(status=429, headers=headers) if len(times) == 1 else None

    async def main() -> tuple[int, int]:
        async with fleet_of(2, concurrency=8) as (engine, (one, other)):
            one.refuse = refuse
            # Until one of them went to the endpoint that refuses.
            while not times:
                await ask(engine, f"ECHO {len(one.prompts)} {len(other.prompts)}")
            await ask_all(engine, numbered(40))
            meanwhile = len(times)
            await until(lambda: state_of(engine, one)["state"] == "in use")
            await ask_all(engine, numbered(40))
            return meanwhile, len(times)

    meanwhile, after = asyncio.run(main())

    assert meanwhile == 1 < after
    assert times[1] - times[0] >= 0.5


def test_an_endpoint_that_only_fails_does_not_draw_the_lines():
    async def main() -> tuple[list[Answer], Server]:
        async with fleet_of(3, concurrency=4) as (engine, servers):
            servers[0].refuse = status(500)
            servers[1].seconds = servers[2].seconds = 0.01
            return await ask_all(engine, numbered(300)), servers[0]

    answers, broken = asyncio.run(main())

    assert texts_of(answers) == numbered(300)
    assert broken.lines.total() < 40


def test_a_batch_of_lines_that_all_fail_comes_to_an_end():
    def refuse(prompt: str) -> web.Response | None:
        return web.Response(status=500) if prompt.startswith("HTTP") else None

    async def main() -> list[Answer]:
        async with fleet_of(1, concurrency=8, tries=3) as (engine, (server,)):
            server.refuse = refuse
            return await ask_all(engine, [f"HTTP {number}" for number in range(30)])

    answers = asyncio.run(main())

    assert [answer.status for answer in answers] == [500] * 30
