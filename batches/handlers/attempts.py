"""The only writer of attempts: claim, succeed, fail, replay.

    pending ──▶ running ──▶ succeeded
       ▲           │  └───▶ dead
       └───────────┘

Each arrow is one conditional UPDATE. A claim counts the attempt and takes a lease; the
count is the fence: who comes back after the lease changes nothing.

A lease that ran out is a failed attempt like any other, with its wait: whatever killed
the process may do so again and again, and its other rows must outlast it.
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
DIED = "The process ended, or lost its database, in the middle of it."
_random = random.SystemRandom()


def claim(due: QuerySet[A], seconds: float, waits: Sequence[int]) -> A | None:
    """Take the row of `due` that waited longest, for so long; None if there is none.

    Rows that were held by somebody who died are given the wait before their next try.
    """
    for lost in due.filter(status=AttemptStatus.RUNNING)[:10]:
        fail(lost, DIED, next_wait(waits, lost.attempts), is_lost=True)
    waiting = due.filter(status=AttemptStatus.PENDING)
    rows = waiting.order_by("next_attempt_at", "pk")
    for pk in list(rows.values_list("pk", flat=True)[:10]):
        taken = waiting.filter(pk=pk).update(
            status=AttemptStatus.RUNNING,
            attempts=F("attempts") + 1,
            lease_expires_at=Now() + timedelta(seconds=seconds),
        )
        if taken:
            return due.model._base_manager.get(pk=pk)
    return None


def _held(row: A, *, is_lost: bool = False) -> QuerySet[A]:
    rows: QuerySet[A] = type(row)._base_manager.all()
    held = rows.filter(pk=row.pk, status=AttemptStatus.RUNNING, attempts=row.attempts)
    return held.filter(lease_expires_at__lt=Now()) if is_lost else held


def renew(row: Attempt, seconds: float) -> bool:
    """Keep a claimed row for longer; False if another one has it."""
    lease = Now() + timedelta(seconds=seconds)
    return _held(row).update(lease_expires_at=lease) == 1


def succeed(row: Attempt, **fields: Any) -> bool:
    """Note that it worked; False if another one has the row."""
    return _end(row, AttemptStatus.SUCCEEDED, last_error="", **fields)


def bury(row: Attempt, error: str, *, is_lost: bool = False, **fields: Any) -> bool:
    """Note that there is no point in trying again; False if another one has it."""
    fields["last_error"] = _storable(error)
    return _end(row, AttemptStatus.DEAD, is_lost=is_lost, **fields)


def _end(
    row: Attempt, status: AttemptStatus, *, is_lost: bool = False, **fields: Any
) -> bool:
    fields |= {"status": status, "ended_at": Now(), "lease_expires_at": None}
    return _held(row, is_lost=is_lost).update(**fields) == 1


def _storable(error: str) -> str:
    return error[:LONGEST_ERROR].replace("\0", "�")


def fail(
    row: Attempt,
    error: str,
    wait: float | None,
    *,
    is_lost: bool = False,
    **fields: Any,
) -> bool:
    """Note why it failed, and try again after `wait` seconds; never if that is None.

    `is_lost` tells that not the holder says so: then only if its lease has run out.
    """
    if wait is None:
        return bury(row, error, is_lost=is_lost, **fields)
    changed = _held(row, is_lost=is_lost).update(
        status=AttemptStatus.PENDING,
        next_attempt_at=Now() + timedelta(seconds=wait),
        lease_expires_at=None,
        last_error=_storable(error),
        **fields,
    )
    return changed == 1


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
