"""vLLM's sleep, by a stand-in with AsyncLLM's signatures, and why it does not start."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from workers.engines.base import EngineDead
from workers.engines.vllm_failures import BadArguments, is_lasting, refuse_arguments
from workers.engines.vllm_sleep import fall_asleep, wake_up


class StandIn:
    """What of vLLM 0.32's AsyncLLM has to do with sleep."""

    def __init__(self, *, can_sleep: bool = True, fails: str = "") -> None:
        model_config = SimpleNamespace(enable_sleep_mode=can_sleep)
        self.vllm_config = SimpleNamespace(model_config=model_config)
        self.calls: list[Any] = []
        self._fails = fails

    def _note(self, name: str, *details: Any) -> None:
        if name == self._fails:
            raise RuntimeError("CUDA error")
        self.calls.append((name, *details))

    async def sleep(self, level: int = 1, mode: str = "abort") -> None:
        self._note("sleep", level)

    async def wake_up(self, tags: list[str] | None = None) -> bool:
        self._note("wake_up", tags)
        return True

    async def collective_rpc(
        self, method: str, timeout: float | None = None, args: tuple[()] = ()
    ) -> list[None]:
        self._note("collective_rpc", method)
        return [None]

    async def reset_prefix_cache(
        self, reset_running_requests: bool = False, reset_connector: bool = False
    ) -> bool:
        self._note("reset_prefix_cache")
        return True


def sleep_and_wake(client: StandIn, level: int) -> bool:
    async def main() -> bool:
        if not await fall_asleep(client, level):
            return False
        await wake_up(client, "m")
        return True

    return asyncio.run(main())


def test_weights_in_memory_are_woken_in_one_go():
    client = StandIn()

    assert sleep_and_wake(client, 1)
    assert client.calls == [("sleep", 1), ("wake_up", None), ("reset_prefix_cache",)]


def test_weights_that_were_dropped_are_read_again_before_the_cache_is_there():
    client = StandIn()

    assert sleep_and_wake(client, 2)
    assert client.calls == [
        ("sleep", 2),
        ("wake_up", ["weights"]),
        ("collective_rpc", "reload_weights"),
        ("wake_up", ["kv_cache"]),
        ("reset_prefix_cache",),
    ]


@pytest.mark.parametrize("client", [StandIn(can_sleep=False), StandIn(fails="sleep")])
def test_an_engine_that_cannot_sleep_says_so(client):
    assert not sleep_and_wake(client, 1) and client.calls == []


@pytest.mark.parametrize("fails", ["wake_up", "collective_rpc"])
def test_an_engine_that_does_not_wake_is_dead(fails):
    with pytest.raises(EngineDead, match="CUDA error"):
        sleep_and_wake(StandIn(fails=fails), 2)


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


class RepositoryNotFoundError(Exception):
    """The hub's name for it."""


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (BadArguments("unrecognized arguments: --nope"), True),
        (caused(OSError("not found"), RepositoryNotFoundError("404")), True),
        (OSError("x is not a valid model identifier listed on the hub"), True),
        (OSError("We couldn't connect to the hub"), False),
        (RuntimeError("Engine core initialization failed"), False),
        (caused(RuntimeError("a"), ConnectionError("b")), False),
    ],
)
def test_it_is_known_which_starts_would_fail_again(error, expected):
    assert is_lasting(error) is expected


def test_what_argparse_would_print_is_the_reason():
    with pytest.raises(BadArguments, match="^unrecognized arguments: --nope$"):
        refuse_arguments(2, "vllm: error: unrecognized arguments: --nope\n")
