"""Lines with the same start go to the same endpoint, within its fair share."""

import asyncio
import json
from collections import Counter

from tests.factories import CHAT
from tests.workers.endpoints.servers import (
    Server,
    ask_all,
    fleet_of,
    numbered,
    state_of,
    status,
    until,
)
from workers.engines.base import Engine

LONG = "You are the assistant of a library and answer in one word. " * 8


async def ask_with_start(engine: Engine, start: str, text: str) -> None:
    """Post a prompt that follows a system prompt."""
    messages = [
        {"role": "system", "content": f"{start} {LONG}"},
        {"role": "user", "content": f"{start} {text}"},
    ]
    await engine.post(CHAT, json.dumps({"messages": messages}).encode())


def starts_at(server: Server) -> set[str]:
    return {prompt.split()[0] for prompt in server.lines}


def test_lines_with_one_start_go_to_one_endpoint():
    async def main() -> list[Server]:
        async with fleet_of(3, concurrency=8) as (engine, servers):
            for number in range(60):
                await ask_with_start(engine, f"start{number % 12}", str(number))
            return servers

    servers = asyncio.run(main())

    places = Counter(start for server in servers for start in starts_at(server))
    assert places == {f"start{number}": 1 for number in range(12)}
    assert all(starts_at(server) for server in servers)


def test_when_all_are_full_a_line_waits_for_its_own_endpoint():
    async def main() -> tuple[int, int]:
        async with fleet_of(3, concurrency=2) as (engine, servers):
            for server in servers:
                server.seconds = 0.005
            asked = [
                ask_with_start(engine, f"start{number % 12}", str(number))
                for number in range(360)
            ]
            await asyncio.gather(*asked)
            lines = [Counter(p.split()[0] for p in s.prompts) for s in servers]
            at_home = sum(max(count[f"start{n}"] for count in lines) for n in range(12))
            return at_home, sum(server.lines.total() for server in servers)

    at_home, total = asyncio.run(main())

    assert total == 360
    # A third would be where the line's start is by chance.
    assert at_home > 0.6 * total


def test_one_start_for_all_lines_does_not_load_one_endpoint_only():
    async def main() -> list[int]:
        async with fleet_of(3, concurrency=30) as (engine, servers):
            for server in servers:
                server.seconds = 0.2
            asked = [ask_with_start(engine, "same", str(n)) for n in range(30)]
            await asyncio.gather(*asked)
            return [server.most for server in servers]

    most = asyncio.run(main())

    # A quarter more than a third of them.
    assert sum(most) == 30 and max(most) <= 13


def test_lines_that_share_nothing_are_spread():
    async def main() -> list[int]:
        async with fleet_of(2, concurrency=32, prefix_bytes=0) as (engine, servers):
            for server in servers:
                server.seconds = 0.05
            await ask_all(engine, numbered(20))
            return [server.lines.total() for server in servers]

    assert asyncio.run(main()) == [10, 10]


def test_starts_find_their_endpoint_again_after_it_was_away():
    async def homes(engine: Engine, servers: list[Server]) -> dict[str, int]:
        for server in servers:
            server.prompts.clear()
        for number in range(30):
            await ask_with_start(engine, f"start{number}", "x")
        placed = enumerate(map(starts_at, servers))
        return {start: index for index, starts in placed for start in starts}

    async def main() -> list[dict[str, int]]:
        async with fleet_of(3, concurrency=8) as (engine, servers):
            found = [await homes(engine, servers)]
            servers[0].refuse = status(503)
            await until_aside(engine, servers[0])
            found.append(await homes(engine, servers))
            servers[0].refuse = lambda prompt: None
            await until(lambda: state_of(engine, servers[0])["state"] == "in use")
            return [*found, await homes(engine, servers)]

    before, meanwhile, after = asyncio.run(main())

    assert before == after
    stayed = {start for start, home in before.items() if home != 0}
    assert {start: meanwhile[start] for start in stayed} == {
        start: before[start] for start in stayed
    }


async def until_aside(engine: Engine, server: Server) -> None:
    """Post until an endpoint that fails is set aside."""
    while not state_of(engine, server)["state"].startswith("set aside"):
        await ask_all(engine, numbered(20))
