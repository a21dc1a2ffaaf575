"""Let handlers run again for batches that ended."""

from django.db import transaction
from django.db.models import QuerySet

from batches.handlers import attempts
from batches.handlers.registry import find_handlers
from batches.handlers.running import ring_handlers
from batches.models import AttemptStatus, BatchJob, HandlerRun


def replay_runs(batches: QuerySet[BatchJob] | None, name: str = "") -> int:
    """Queue runs again, of one handler or of all, and return how many.

    Without batches: the dead ones. With them: every run, and one for each handler that
    had none, because it was not there or not enabled when the batch ended.
    """
    with transaction.atomic():
        if batches is None:
            rows = HandlerRun.objects.filter(status=AttemptStatus.DEAD)
        else:
            _add_missing(batches, [name] if name else list(find_handlers()))
            rows = HandlerRun.objects.filter(batch__in=batches)
        return replay(rows.filter(handler=name) if name else rows)


def _add_missing(batches: QuerySet[BatchJob], names: list[str]) -> None:
    runs = [
        HandlerRun(batch=batch, handler=name)
        for batch in batches.filter(is_dry_run=False)
        for name in names
    ]
    HandlerRun.objects.bulk_create(runs, ignore_conflicts=True)


def replay(rows: QuerySet[HandlerRun]) -> int:
    """Queue these runs again, except those that run now; return how many."""
    with transaction.atomic():
        count = attempts.replay(rows)
        ring_handlers()
    return count
