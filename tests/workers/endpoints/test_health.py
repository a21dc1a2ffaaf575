"""Who answers lines is well; who only looks alive is set aside, and tried again."""

import asyncio
from functools import partial

from tests.workers.endpoints.servers import (
    Server,
    ask_all,
    fleet_of,
    numbered,
    state_of,
    texts_of,
    until,
)
from workers.engines.base import Answer
from workers.engines.fleet import watch

PROMPTS = numbered(60)


async def run_with_a_hanging_one(
    seconds: float = 0.01,
) -> tuple[list[Answer], list[Server], str]:
    """Post while the first of three endpoints finishes nothing, but lists models."""
    async with fleet_of(3, concurrency=8, stall_seconds=0.1) as (engine, servers):
        servers[0].hangs = True
        for server in servers[1:]:
            server.seconds = seconds
        answers = await ask_all(engine, PROMPTS)
        return answers, servers, state_of(engine, servers[0])["state"]


def test_an_endpoint_that_finishes_nothing_while_others_do_is_set_aside():
    answers, servers, state = asyncio.run(run_with_a_hanging_one())

    assert texts_of(answers) == PROMPTS
    assert servers[0].lines and state.startswith("set aside")


def test_its_lines_are_taken_back_and_that_is_not_their_fault():
    answers, servers, _ = asyncio.run(run_with_a_hanging_one())

    taken = [p for p in PROMPTS if servers[0].lines[p]]
    assert taken and servers[0].in_flight == 0
    assert {answer.attempts for answer in answers} == {1}


def has_probes(server: Server, count: int) -> bool:
    return server.probes >= count


def test_it_is_probed_again_with_growing_pauses_and_then_used():
    async def main() -> tuple[list[float], int]:
        times: list[float] = []
        async with fleet_of(2, concurrency=8, stall_seconds=0.05) as (engine, servers):
            hung = servers[0]
            hung.hangs = True
            servers[1].seconds = 0.01
            await ask_all(engine, PROMPTS)
            seen = hung.probes
            for wanted in range(seen + 1, seen + 6):
                await until(partial(has_probes, hung, wanted))
                times.append(asyncio.get_running_loop().time())
            hung.hangs = False
            await until(lambda: state_of(engine, hung)["state"] == "in use")
            before = hung.lines.total()
            await ask_all(engine, numbered(60, "later"))
            return times, hung.lines.total() - before

    times, later = asyncio.run(main())

    assert times[4] - times[3] > times[1] - times[0]
    assert later > 0


def test_a_slow_endpoint_that_works_keeps_its_lines():
    async def main() -> tuple[list[Answer], Server, str]:
        async with fleet_of(2, concurrency=8, stall_seconds=0.1) as (engine, servers):
            servers[0].seconds, servers[1].seconds = 1.0, 0.01
            answers = await ask_all(engine, numbered(40))
            return answers, servers[0], state_of(engine, servers[0])["state"]

    answers, slow, state = asyncio.run(main())

    assert texts_of(answers) == numbered(40)
    assert slow.probes and state == "in use"
    assert max(slow.lines.values()) == 1


def test_a_cancelled_line_of_a_hanging_endpoint_is_not_sent_elsewhere():
    async def main() -> int:
        async with fleet_of(1, concurrency=2, stall_seconds=0.05) as (engine, (one,)):
            one.hangs = True
            asked = asyncio.create_task(ask_all(engine, numbered(4)))
            await until(lambda: one.in_flight == 2)
            asked.cancel()
            await asyncio.gather(asked, return_exceptions=True)
            await until(lambda: not one.in_flight)
            return one.lines.total()

    assert asyncio.run(main()) == 2


def test_health_asks_for_real_work(monkeypatch):
    monkeypatch.setattr(watch, "FRESH_SECONDS", 0.0)

    async def main() -> tuple[bool, bool]:
        async with fleet_of(1, stall_seconds=0.05) as (engine, (server,)):
            await ask_all(engine, ["ECHO x"])
            server.hangs = True
            hung = await engine.health()
            server.hangs = False
            return hung, await engine.health()

    assert asyncio.run(main()) == (False, True)
