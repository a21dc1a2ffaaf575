"""What the HTTP engine needs before it can start."""

import asyncio
from typing import Any

import pytest

from tests.workers.servers import ask, http_engine, started
from workers.engines.base import EngineStartFailed, EngineUnreachable


def start_fails(source: str, **engine_args: Any) -> str:
    async def main() -> None:
        async with started(http_engine(source, **engine_args)):
            pass

    with pytest.raises(EngineStartFailed) as caught:
        asyncio.run(main())
    return str(caught.value)


def test_a_key_that_is_not_there_stops_the_start(monkeypatch):
    monkeypatch.delenv("ENDPOINT_KEY", raising=False)

    text = start_fails("http://localhost/v1", api_key_env="ENDPOINT_KEY")

    assert "The environment variable ENDPOINT_KEY is empty" in text


@pytest.mark.parametrize(
    "source",
    ["localhost:8000", "ftp://x/v1", "http:///v1", "http://[::1/v1", "http://x:y/v1"],
)
def test_a_source_that_is_no_base_url_stops_the_start(source):
    text = start_fails(source)

    assert f"'{source}' is no base URL" in text and "http://127.0.0.1:8000/v1" in text


def test_an_empty_source_stops_the_start():
    assert "names no base URL" in start_fails(" ")


def test_posting_before_the_start_is_unreachable():
    with pytest.raises(EngineUnreachable, match="is not started"):
        asyncio.run(ask(http_engine("http://127.0.0.1/v1", tries=1), "hello"))
