"""What happens to a batch that ends: which queues want it, and handing it over."""

import logging

from django.db import transaction
from django_q.tasks import async_task

from accounts.models import Project
from batches.handlers import Results
from batches.models import BatchJob
from curation.audit.recording import SERVER, Actor, record
from curation.exceptions import UnknownQueue
from curation.gold.taking import take_gold
from curation.ingest.batches import ingest_batch
from curation.judging.verdicts import take_verdicts
from curation.models import EvalRun, JudgeRun, Queue, Rerun
from curation.models.audit_event import Action
from curation.queues import find_or_make
from curation.rerunning.taking import take_answers

logger = logging.getLogger(__name__)

# In a batch's metadata: the queue its answers go to, and that queue's mode if new.
TAG, TAG_MODE = "curation", "curation_mode"
MOST_ANCESTORS = 20


def hand_over(batch: BatchJob, results: Results) -> None:
    """Bring an ended batch's results to whoever waits for them; safe to repeat."""
    run = JudgeRun.objects.filter(batch=batch).select_related("queue").first()
    if run is not None:
        take_verdicts(run, results)
        return
    if _take_beside(batch, results):
        ring_families(batch.project_id)
        return
    queues = queues_for(batch)
    for queue in queues:
        if not queue.sources.filter(batch_id=batch.pk).exists():
            note_import(queue, SERVER, batch.pk)
        report = ingest_batch(batch, queue, results)
        logger.info("%s into the queue %s: %s", batch.pk, queue, report)
    if queues:
        ring_families(batch.project_id)


def _take_beside(batch: BatchJob, results: Results) -> bool:
    """Hand over what comes beside answers that are there; False if nothing does.

    A retry's answers go where those of the batch go whose lines it runs again.
    """
    lineage = _lineage(batch)
    rerun = Rerun.objects.filter(batch__in=lineage).select_related("queue").first()
    if rerun is not None:
        logger.info("%s again: %s", batch.pk, take_answers(rerun, batch, results))
        return True
    gold = EvalRun.objects.filter(batch__in=lineage).select_related("project").first()
    if gold is not None:
        take_gold(gold, batch, results)
    return gold is not None


def note_import(queue: Queue, by: Actor, detail: str) -> None:
    """Write down that answers are being brought into a queue."""
    with transaction.atomic():
        project_id = queue.project_id
        record(Action.IMPORTED, by, queue, project_id=project_id, detail=detail)


def note_clustering(project: Project, by: Actor) -> None:
    """Write down that somebody asks for a project's near-duplicates."""
    with transaction.atomic():
        record(Action.CLUSTERED, by, project, project_id=project.pk)


def ring_families(project_id: int) -> None:
    """Ask the ops queue to cluster a project's near-duplicate prompts."""
    async_task("curation.ordering.tasks.find_families", project_id, cluster="ops")


def queues_for(batch: BatchJob) -> list[Queue]:
    """Return the queues of the batch's comparisons, and the one it is tagged for.

    A retry goes where the batch goes whose lines it runs again.
    """
    lineage = [one.pk for one in _lineage(batch)]
    rows = Queue.objects.filter(comparisons__batches__in=lineage).distinct()
    found = {queue.pk: queue for queue in rows.filter(project=batch.project_id)}
    tagged = _tagged(batch)
    if tagged is not None:
        found[tagged.pk] = tagged
    return list(found.values())


def _lineage(batch: BatchJob) -> list[BatchJob]:
    found = [batch]
    while len(found) < MOST_ANCESTORS and (parent := found[-1].parent) is not None:
        found.append(parent)
    return found


def _tagged(batch: BatchJob) -> Queue | None:
    metadata = batch.metadata or {}
    name, mode = metadata.get(TAG), metadata.get(TAG_MODE)
    if not isinstance(name, str) or not name.strip():
        return None
    try:
        return find_or_make(batch.project, name, mode)
    except UnknownQueue as error:
        # What a client wrote there is no reason to try again.
        logger.warning("%s is tagged for no queue: %s", batch.pk, error)
        return None
