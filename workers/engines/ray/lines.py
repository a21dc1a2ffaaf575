"""One request on its way through the replicas, until somebody's answer counts."""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from workers.engines.base import Answer, EngineError

if TYPE_CHECKING:
    from workers.engines.ray.link import Link


class Line:
    """A request that waits for one answer, whichever replica gives it.

    A trial is a line sent again to find out what kills replicas: it is lost with its
    replica, where any other line is sent to the next one.
    """

    __slots__ = (
        "body", "future", "is_trial", "keys", "link", "losses", "number", "trial",
        "url",
    )  # fmt: skip

    def __init__(
        self, url: str, body: bytes, keys: Sequence[int] = (), *, is_trial: bool = False
    ) -> None:
        self.url = url
        self.body = body
        self.keys = keys
        self.is_trial = is_trial
        # How many replicas were lost with it.
        self.losses = 0
        self.trial: Line | None = None
        # Where it is, and by which number it is known there.
        self.link: Link | None = None
        self.number = 0
        self.future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()

    @property
    def is_over(self) -> bool:
        """Tell whether it has its answer, or nobody waits for one."""
        return self.future.done()

    def finish(self, result: Answer | EngineError) -> None:
        """Give the answer, or what is to be raised instead of one."""
        if self.future.done():
            return
        if isinstance(result, EngineError):
            self.future.set_exception(result)
        else:
            self.future.set_result(result)
