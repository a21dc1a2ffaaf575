"""The only writer of attempts: claim, succeed, fail, replay.

    pending ──▶ running ──▶ succeeded
       ▲           │  └───▶ dead
       └───────────┘

Each arrow is one conditional UPDATE. A claim counts the attempt and takes a lease; the
count is the fence: who comes back after another one took over changes nothing.
"""

import random
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, TypeVar

from django.db.models import F, QuerySet
from django.db.models.functions import Now

from batches.models import Attempt, AttemptStatus
from vllm_batch.lib.clock import database_now

A = TypeVar("A", bound=Attempt)

JITTER = 0.1
LONGEST_ERROR = 2000
_random = random.SystemRandom()


def claim(due: QuerySet[A], seconds: float) -> A | None:
    """Take the row of `due` that waited longest, for so long; None if there is none."""
    rows = due.order_by("next_attempt_at", "pk")
    for pk in list(rows.values_list("pk", flat=True)[:10]):
        taken = due.filter(pk=pk).update(
            status=AttemptStatus.RUNNING,
            attempts=F("attempts") + 1,
            lease_expires_at=Now() + timedelta(seconds=seconds),
        )
        if taken:
            return due.model._base_manager.get(pk=pk)
    return None


def _held(row: A) -> QuerySet[A]:
    rows: QuerySet[A] = type(row)._base_manager.all()
    return rows.filter(pk=row.pk, status=AttemptStatus.RUNNING, attempts=row.attempts)


def renew(row: Attempt, seconds: float) -> bool:
    """Keep a claimed row for longer; False if another one has it."""
    lease = Now() + timedelta(seconds=seconds)
    return _held(row).update(lease_expires_at=lease) == 1


def succeed(row: Attempt, **fields: Any) -> bool:
    """Note that it worked; False if another one has the row."""
    return _end(row, AttemptStatus.SUCCEEDED, last_error="", **fields)


def bury(row: Attempt, error: str, **fields: Any) -> bool:
    """Note that there is no point in trying again; False if another one has it."""
    error = error[:LONGEST_ERROR].replace("\0", "�")
    return _end(row, AttemptStatus.DEAD, last_error=error, **fields)


def _end(row: Attempt, status: AttemptStatus, **fields: Any) -> bool:
    fields |= {"status": status, "ended_at": Now(), "lease_expires_at": None}
    return _held(row).update(**fields) == 1


def fail(row: Attempt, error: str, wait: float | None, **fields: Any) -> bool:
    """Note why it failed, and try again after `wait` seconds; never if that is None."""
    if wait is None:
        return bury(row, error, **fields)
    return (
        _held(row).update(
            status=AttemptStatus.PENDING,
            next_attempt_at=Now() + timedelta(seconds=wait),
            lease_expires_at=None,
            last_error=error[:LONGEST_ERROR].replace("\0", "�"),
            **fields,
        )
        == 1
    )


def next_wait(waits: Sequence[int], attempts: int) -> float | None:
    """Return the seconds before the next try, after so many; None after the last.

    A little chance is added, so that what failed together is not tried together.
    """
    if attempts > len(waits):
        return None
    wait = waits[attempts - 1]
    return wait + _random.uniform(0, JITTER * wait)


def replay(rows: QuerySet[A]) -> int:
    """Let rows that nobody holds run again from the first attempt; return how many."""
    idle = rows.exclude(
        status=AttemptStatus.RUNNING, lease_expires_at__gte=database_now()
    )
    return idle.order_by().update(
        status=AttemptStatus.PENDING,
        attempts=0,
        next_attempt_at=Now(),
        lease_expires_at=None,
        ended_at=None,
    )


def withdraw(rows: QuerySet[A], reason: str) -> int:
    """Give up rows that wait; return how many."""
    waiting = rows.filter(status=AttemptStatus.PENDING).order_by()
    return waiting.update(status=AttemptStatus.DEAD, ended_at=Now(), last_error=reason)
