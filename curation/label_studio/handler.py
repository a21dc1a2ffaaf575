"""The built-in handler that brings ended batches to Label Studio."""

import logging

from batches.handlers import BatchMetadata, GiveUp, ResultHandler, Results, register
from batches.models import BatchJob
from curation.exceptions import UnknownQueue
from curation.ingest.batches import ingest_batch
from curation.ingest.handing_over import TAG_MODE, queues_for, ring_families
from curation.label_studio.client import connect
from curation.label_studio.labelling import VERDICTS
from curation.label_studio.pushing import push_queue
from curation.models import JudgeRun, Queue
from curation.queues import find_or_make
from vllm_batch.lib.conf import conf

logger = logging.getLogger(__name__)

# In a batch's metadata: the queue that is copied to Label Studio.
TAG = "label_studio"


@register
class LabelStudioHandler(ResultHandler):
    """Pushes the queues that a batch's results go to, if they are copied there.

    The queue may bring several batches together: their answers to the same prompts meet
    in its tasks.
    """

    name = "label_studio"

    def enabled(self) -> bool:
        """Tell whether there is a server."""
        return conf().has_label_studio

    def handle(self, batch_id: str, results: Results, metadata: BatchMetadata) -> bool:
        """Push; what was pushed before is not pushed again."""
        if not conf().has_label_studio:
            raise GiveUp("LABEL_STUDIO_URL and LABEL_STUDIO_TOKEN are not both set.")
        batch = BatchJob.objects.select_related("project").get(pk=batch_id)
        queues = copied_queues(batch)
        for queue in queues:
            # The curation handler may come later, or not at all; twice is harmless.
            ingest_batch(batch, queue, results)
        if queues:
            ring_families(batch.project_id)
        for queue in queues:
            done = push_queue(connect(), queue)
            logger.info("%s to Label Studio: %s", batch_id, done)
        return True


def copied_queues(batch: BatchJob) -> list[Queue]:
    """Return the queues of a batch that are copied to Label Studio."""
    if JudgeRun.objects.filter(batch=batch).exists():
        return []
    found = {
        queue.pk: queue
        for queue in queues_for(batch)
        if _is_copied(queue) and queue.mode in VERDICTS
    }
    tagged = _tagged(batch)
    if tagged is not None:
        found[tagged.pk] = tagged
    return list(found.values())


def _is_copied(queue: Queue) -> bool:
    if conf().LABEL_STUDIO_QUEUES == "all":
        return True
    url = conf().LABEL_STUDIO_URL
    return queue.label_studio_projects.filter(url=url).exists()


def _tagged(batch: BatchJob) -> Queue | None:
    metadata = batch.metadata or {}
    name = metadata.get(TAG)
    if not isinstance(name, str) or not name.strip():
        return None
    try:
        queue = find_or_make(batch.project, name, metadata.get(TAG_MODE))
    except UnknownQueue as error:
        raise GiveUp(str(error)) from error
    if queue.mode not in VERDICTS:
        raise GiveUp(f"The queue '{name}' ranks; Label Studio gets pairs and singles.")
    return queue
