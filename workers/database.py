"""Django's database from the worker's threads, each of which has its own connection."""

import logging
import time
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from django.db import DatabaseError, close_old_connections, connection

logger = logging.getLogger(__name__)

RETRY_SECONDS = 1.0
P = ParamSpec("P")
T = TypeVar("T")


def fresh(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call `work` on a connection that is still good."""
    close_old_connections()
    return work(*args, **kwargs)


def patiently(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call `work` until the database answers: its restart is no reason to stop."""
    while True:
        try:
            return fresh(work, *args, **kwargs)
        except DatabaseError:
            logger.exception("the database is away; trying again")
            connection.close()
            time.sleep(RETRY_SECONDS)


def disconnect() -> None:
    """Close the calling thread's connection."""
    connection.close()
