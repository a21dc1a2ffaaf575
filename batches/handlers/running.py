"""Run result handlers: enlist them when a batch ends, run what is due."""

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import DatabaseError, InterfaceError, connection, transaction
from django_q.tasks import async_task

from batches.handlers import attempts
from batches.handlers.base import GiveUp, ResultHandler
from batches.handlers.registry import find_handlers
from batches.handlers.results import StoredResults, metadata_of
from batches.metrics import HANDLER_RUNS
from batches.models import BatchJob, HandlerRun
from batches.models.handler_run import HandlerRunQuerySet
from vllm_batch.lib.clock import database_now
from vllm_batch.lib.conf import conf
from vllm_batch.lib.logs import note, working_on

logger = logging.getLogger(__name__)

LEASE_SECONDS = 60


def ring_handlers() -> None:
    """Ask the ops queue to run what is due; inside a transaction, if it commits."""
    async_task("batches.tasks.run_handlers", cluster="ops")


def enlist(batch: BatchJob) -> None:
    """Make a run for each enabled handler; in the transaction that ends the batch."""
    names = [name for name, handler in find_handlers().items() if _is_on(handler)]
    if names:
        HandlerRun.objects.bulk_create(
            [HandlerRun(batch=batch, handler=name) for name in names],
            ignore_conflicts=True,
        )
        ring_handlers()


def _is_on(handler: type[ResultHandler]) -> bool:
    try:
        with transaction.atomic():
            return handler().enabled()
    except Exception:  # noqa: BLE001 - the edge: a plug-in must not keep a batch open
        logger.exception("enabled() of %s failed; it counts as enabled", handler.key())
        return True


def due_runs() -> HandlerRunQuerySet:
    """Return the runs whose time has come and whose handler is known here."""
    return HandlerRun.objects.due(database_now()).filter(handler__in=find_handlers())


def run_next(name: str) -> bool:
    """Run what waited longest for one handler; False if nothing is due."""
    waits = conf().HANDLER_RETRY_SECONDS
    run = attempts.claim(due_runs().filter(handler=name), LEASE_SECONDS, waits)
    if run is None:
        return False
    with _kept(run), working_on(batch_id=run.batch_id):
        _try(run, find_handlers()[name], attempts.next_wait(waits, run.attempts))
    return True


def _try(run: HandlerRun, handler: type[ResultHandler], wait: float | None) -> None:
    batch = BatchJob.objects.select_related("project").get(pk=run.batch_id)
    note(request_id=batch.request_id, project=str(batch.project_id))
    results, metadata = StoredResults(batch), metadata_of(batch)
    try:
        done = handler().handle(batch.pk, results, metadata)
    except GiveUp as error:
        outcome = "gave_up"
        attempts.bury(run, str(error))
    except Exception as error:  # noqa: BLE001 - the edge: a plug-in's fault is its own
        outcome = "failed"
        logger.exception("handler %s failed for %s", run.handler, run.batch_id)
        attempts.fail(run, f"{type(error).__name__}: {error}", wait)
    else:
        outcome = "succeeded" if done else "failed"
        if done:
            attempts.succeed(run)
        else:
            attempts.fail(run, f"handle() returned {done!r} and not True.", wait)
    HANDLER_RUNS.labels(run.handler, outcome).inc()


@contextmanager
def _kept(run: HandlerRun) -> Iterator[None]:
    """Renew the lease while the handler runs, as long as it may."""
    is_over = threading.Event()
    keeper = threading.Thread(target=_keep, args=(run, is_over), daemon=True)
    keeper.start()
    try:
        yield
    finally:
        is_over.set()


def _keep(run: HandlerRun, is_over: threading.Event) -> None:
    ends_at = time.monotonic() + conf().HANDLER_TIMEOUT_SECONDS
    try:
        while not is_over.wait(LEASE_SECONDS / 4) and time.monotonic() < ends_at:
            try:
                if not attempts.renew(run, LEASE_SECONDS):
                    return
            except (DatabaseError, InterfaceError):
                logger.warning("the lease of %s could not be renewed", run)
                connection.close()
    finally:
        connection.close()
