"""Each endpoint has its own key, and no other one sees it."""

import asyncio
import logging
from contextlib import AsyncExitStack

import pytest

from tests.workers.endpoints.servers import Server, ask_all, numbered, status
from tests.workers.servers import http_engine, started
from workers.engines.base import EngineStartFailed

KEYS = ["sk-first-2f1c", "sk-second-9b7e"]


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for number, key in enumerate(KEYS):
        monkeypatch.setenv(f"KEY_{number}", key)


def sent(server: Server) -> set[str | None]:
    return {headers.get("Authorization") for headers in server.headers}


async def run_with_keys(code: int = 0, **headers: str) -> list[Server]:
    """Post to two endpoints with a key each; the first may refuse everything."""
    servers = [Server(), Server()]
    async with AsyncExitStack() as stack:
        for server in servers:
            await server.listen(stack)
            server.seconds = 0.005
        if code:
            servers[0].refuse = status(code, **headers)
        names = {server.url: f"KEY_{n}" for n, server in enumerate(servers)}
        engine = http_engine(" ".join(names), concurrency=4, tries=2, api_key_env=names)
        await stack.enter_async_context(started(engine))
        await ask_all(engine, numbered(60))
    return servers


def test_each_endpoint_gets_its_own_key():
    servers = asyncio.run(run_with_keys())

    assert [sent(server) for server in servers] == [{f"Bearer {key}"} for key in KEYS]


def test_a_line_that_goes_elsewhere_takes_no_key_along():
    servers = asyncio.run(run_with_keys(503))

    assert sent(servers[1]) == {f"Bearer {KEYS[1]}"}
    assert servers[1].lines.keys() & servers[0].lines.keys()


def test_a_redirect_takes_no_key_along():
    async def main() -> tuple[Server, Server]:
        async with AsyncExitStack() as stack:
            one, other = Server(), Server()
            await one.listen(stack)
            await other.listen(stack)
            one.refuse = status(307, Location=f"{other.url}/chat/completions")
            engine = http_engine(one.url, api_key_env="KEY_0")
            await stack.enter_async_context(started(engine))
            await ask_all(engine, numbered(3))
            return one, other

    one, other = asyncio.run(main())

    assert one.lines.total() == 3 and not other.headers


def test_an_endpoint_without_a_key_gets_none():
    async def main() -> list[Server]:
        async with AsyncExitStack() as stack:
            servers = [Server(), Server()]
            for server in servers:
                await server.listen(stack)
            source = " ".join(server.url for server in servers)
            engine = http_engine(source, api_key_env={servers[0].url: "KEY_0"})
            await stack.enter_async_context(started(engine))
            await ask_all(engine, numbered(40))
            return servers

    with_key, without = asyncio.run(main())

    assert sent(with_key) == {f"Bearer {KEYS[0]}"} and sent(without) == {None}


def test_a_name_and_a_password_in_the_url_are_its_endpoints_alone():
    async def main() -> tuple[set[str | None], set[str | None], str]:
        async with AsyncExitStack() as stack:
            servers = [Server(), Server()]
            for server in servers:
                await server.listen(stack)
            secret = servers[0].url.replace("//", "//bob:hunter2@")
            engine = http_engine(f"{secret} {servers[1].url}")
            await stack.enter_async_context(started(engine))
            await ask_all(engine, numbered(40))
            return sent(servers[0]), sent(servers[1]), str(engine.report())

    one, other, report = asyncio.run(main())

    assert one == {"Basic Ym9iOmh1bnRlcjI="} and other == {None}
    assert "hunter2" not in report


def test_no_key_is_logged(caplog):
    caplog.set_level(logging.DEBUG)

    asyncio.run(run_with_keys(503))

    assert "is set aside" in caplog.text
    assert not any(key in caplog.text for key in KEYS)


def start_fails(**engine_args: object) -> str:
    async def main() -> None:
        source = "http://u:hunter2@127.0.0.1:1/v1"
        async with started(http_engine(source, **engine_args)):
            pass

    with pytest.raises(EngineStartFailed) as caught:
        asyncio.run(main())
    return str(caught.value)


def test_a_key_for_an_endpoint_that_is_not_there_stops_the_start():
    text = start_fails(api_key_env={"http://x:hunter2@127.0.0.1:2/v1": "KEY_0"})

    assert "has a key for http://127.0.0.1:2/v1, which is not in its source" in text
    assert "hunter2" not in text


def test_a_key_of_several_lines_stops_the_start_and_is_not_shown(monkeypatch):
    monkeypatch.setenv("KEY_0", "sk-odd\nX-Evil: 1")

    text = start_fails(api_key_env="KEY_0")

    assert "KEY_0" in text and "sk-odd" not in text
