"""Django's database from the worker's threads, each of which has its own connection."""

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from django.db import (
    DataError,
    IntegrityError,
    InterfaceError,
    InternalError,
    OperationalError,
    close_old_connections,
    connection,
)

logger = logging.getLogger(__name__)

RETRY_SECONDS = 1.0
# What a database says that is away or restarts, or that ended a transaction in which
# nothing was asked for too long (InternalError); anything else is a fault of ours.
AWAY = (OperationalError, InterfaceError, InternalError)
# What it says of rows that it will never take.
REFUSED = (IntegrityError, DataError)
# A connection is asked so often whether it is good: that is a statement, too.
GOOD_SECONDS = 1.0


class _Look(threading.local):
    """When this thread's connection is looked at again."""

    at = 0.0


_next_look = _Look()
P = ParamSpec("P")
T = TypeVar("T")


def fresh(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call `work` on a connection that was good a second ago and has not erred."""
    now = time.monotonic()
    if connection.errors_occurred or now >= _next_look.at:
        close_old_connections()
        _next_look.at = now + GOOD_SECONDS
    return work(*args, **kwargs)


def patiently(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call `work` until the database answers: its restart is no reason to stop."""
    while True:
        try:
            return fresh(work, *args, **kwargs)
        except AWAY:
            logger.exception("the database is away; trying again")
            connection.close()
            time.sleep(RETRY_SECONDS)


def disconnect() -> None:
    """Close the calling thread's connection."""
    connection.close()


class DatabaseThread:
    """One thread with one connection, for a coroutine's calls to the database."""

    def __init__(self, name: str) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix=name)

    async def call(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call `work` in the thread, once; raises what it raises."""

        def once() -> T:
            return fresh(work, *args, **kwargs)

        return await asyncio.get_running_loop().run_in_executor(self._pool, once)

    async def patiently(
        self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Call `work` in the thread until the database answers."""

        def again() -> T:
            return patiently(work, *args, **kwargs)

        return await asyncio.get_running_loop().run_in_executor(self._pool, again)

    async def close(self) -> None:
        """Close the connection and end the thread, once what was asked for is done."""
        await asyncio.get_running_loop().run_in_executor(self._pool, disconnect)
        self._pool.shutdown(wait=False)
