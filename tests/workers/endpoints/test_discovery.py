"""Endpoints behind a name: they come, go and come back while lines run."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import pytest

from tests.workers.endpoints.names import NameServer, name_server
from tests.workers.endpoints.servers import (
    Server,
    ask_all,
    fleet_of,
    numbered,
    texts_of,
    until,
)
from tests.workers.servers import ask, http_engine, started
from workers.engines.base import Engine, EngineStartFailed

NAME = "_http._tcp.vllm.test."
A = ("vllm.test.", "A")


@dataclass
class Fleet:
    """Servers that a name server tells of."""

    engine: Engine
    names: NameServer
    servers: list[Server]

    def tell(self, *numbers: int) -> None:
        """Let the name stand for these servers."""
        texts = [f"0 0 {self.servers[n].port} vllm.test." for n in numbers]
        self.names.records[NAME, "SRV"] = texts

    def urls(self) -> list[str]:
        """Where the engine sends lines, as far as it reports."""
        return sorted(row["endpoint"] for row in self.engine.report())

    async def until_known(self, *numbers: int) -> None:
        """Wait until the engine has these servers, and no others."""
        wanted = sorted(self.servers[n].url for n in numbers)
        await until(lambda: self.urls() == wanted)


@asynccontextmanager
async def named_fleet(count: int = 3, *first: int) -> AsyncIterator[Fleet]:
    """Yield a started engine that finds its servers by SRV records."""
    async with AsyncExitStack() as stack:
        names = await stack.enter_async_context(name_server())
        servers = [Server() for _ in range(count)]
        for server in servers:
            await server.listen(stack)
        engine = http_engine(
            f"dnssrv+http://{NAME.rstrip('.')}/v1",
            concurrency=4,
            resolve_seconds=0.05,
            nameserver=names.address,
        )
        fleet = Fleet(engine, names, servers)
        names.records[A] = ["127.0.0.1"]
        fleet.tell(*first)
        await stack.enter_async_context(started(engine))
        yield fleet


def test_servers_that_join_get_lines():
    async def main() -> list[int]:
        async with named_fleet(3, 0) as fleet:
            await ask_all(fleet.engine, numbered(20))
            fleet.tell(0, 1, 2)
            await fleet.until_known(0, 1, 2)
            await ask_all(fleet.engine, numbered(60, "later"))
            return [server.lines.total() for server in fleet.servers]

    first, *others = asyncio.run(main())

    assert first >= 20 and all(others) and first + sum(others) == 80


def test_a_server_that_leaves_ends_its_lines_and_gets_no_more():
    prompts = numbered(4)

    async def main() -> tuple[list[str], int, int]:
        async with named_fleet(2, 0) as fleet:
            old = fleet.servers[0]
            old.hangs = True
            asked = asyncio.create_task(ask_all(fleet.engine, prompts))
            await until(lambda: old.in_flight == 4)
            fleet.tell(1)
            await until(lambda: fleet.servers[1].url in fleet.urls())
            await ask_all(fleet.engine, numbered(20, "later"))
            old.hangs = False
            answers = texts_of(await asked)
            await fleet.until_known(1)
            return answers, old.lines.total(), fleet.servers[1].lines.total()

    answers, at_old, at_new = asyncio.run(main())

    assert answers == prompts
    assert (at_old, at_new) == (4, 20)


def test_lines_wait_while_the_name_stands_for_nothing():
    async def main() -> tuple[str, list[str]]:
        async with named_fleet(1) as fleet:
            asked = asyncio.create_task(ask_all(fleet.engine, numbered(10)))
            await until(fleet.engine.waits_for)
            reason = fleet.engine.waits_for()
            fleet.tell(0)
            return reason, texts_of(await asked)

    reason, answers = asyncio.run(main())

    assert reason == "waiting for an endpoint: there is none"
    assert answers == numbered(10)


def test_a_name_server_that_is_away_changes_nothing():
    async def main() -> tuple[list[str], list[str]]:
        async with named_fleet(2, 0, 1) as fleet:
            before = fleet.urls()
            fleet.names.is_away = True
            asked = fleet.names.asked
            await until(lambda: fleet.names.asked > asked + 1)
            await ask_all(fleet.engine, numbered(20))
            return before, fleet.urls()

    before, after = asyncio.run(main())

    assert len(before) == 2 and before == after


def test_addresses_of_a_name_are_endpoints_under_its_name():
    async def main() -> tuple[list[set[str]], list[str]]:
        async with AsyncExitStack() as stack:
            names = await stack.enter_async_context(name_server())
            servers = [Server(), Server()]
            await servers[0].listen(stack, "127.0.0.1")
            await servers[1].listen(stack, "127.0.0.2", servers[0].port)
            names.records[A] = ["127.0.0.1"]
            engine = http_engine(
                f"dns+http://vllm.test:{servers[0].port}/v1",
                concurrency=2,
                resolve_seconds=0.05,
                nameserver=names.address,
            )
            await stack.enter_async_context(started(engine))
            await ask(engine, "ECHO one")
            names.records[A] = ["127.0.0.2"]
            await until(lambda: engine.report()[-1]["endpoint"] == servers[1].url)
            await ask(engine, "ECHO two")
            hosts = [{h["Host"] for h in server.headers} for server in servers]
            return hosts, [" ".join(server.lines) for server in servers]

    hosts, lines = asyncio.run(main())

    assert lines == ["ECHO one", "ECHO two"]
    assert {host.partition(":")[0] for found in hosts for host in found} == {
        "vllm.test"
    }


def test_a_name_is_looked_up_as_the_machine_does():
    async def main() -> list[str]:
        async with AsyncExitStack() as stack:
            server = Server()
            await server.listen(stack)
            engine = http_engine(f"dns+http://localhost:{server.port}/v1")
            await stack.enter_async_context(started(engine))
            return texts_of(await ask_all(engine, numbered(10)))

    assert asyncio.run(main()) == numbered(10)


def test_a_list_may_be_as_long_as_it_must():
    async def main() -> int:
        async with AsyncExitStack() as stack:
            servers = [Server() for _ in range(20)]
            for server in servers:
                await server.listen(stack)
            urls = [server.url for server in servers]
            engine = http_engine("", base_urls=urls, concurrency=1)
            await stack.enter_async_context(started(engine))
            await ask_all(engine, numbered(200))
            return sum(bool(server.lines) for server in servers)

    assert asyncio.run(main()) == 20


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ({"nameserver": "dns.example:53"}, "write an address and a port"),
        ({"concurrency": 0}, "write a number of at least 1"),
        ({"concurrency": "many"}, "concurrency of stub is 'many'"),
        ({"timeout": float("inf")}, "timeout of stub"),
        ({"base_urls": "http://x/v1"}, "base_urls of stub is no list"),
    ],
)
def test_a_bad_argument_stops_the_start(args, words):
    async def main() -> None:
        async with fleet_of(1, **args):
            pass

    with pytest.raises(EngineStartFailed, match=words) as caught:
        asyncio.run(main())
    assert caught.value.is_lasting
