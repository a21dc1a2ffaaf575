"""Find queues by their names, or make them."""

from django.db import transaction

from accounts.models import Project
from curation.audit.recording import SERVER, Actor, record
from curation.exceptions import UnknownQueue
from curation.models import Queue, Source
from curation.models.audit_event import Action
from curation.models.queue import Mode

LONGEST_NAME = 100


def find_or_make(
    project: Project, name: str, mode: str | None = None, by: Actor = SERVER
) -> Queue:
    """Return a project's queue of this name; a new one is for pairs unless told.

    Raises UnknownQueue for a name no queue can have, or if the queue that is there has
    another mode.
    """
    name = name.strip()
    if not name or "\0" in name or len(name) > LONGEST_NAME:
        raise UnknownQueue(f"A queue's name has 1 to {LONGEST_NAME} characters.")
    if mode is not None and mode not in Mode.values:
        raise UnknownQueue(f"A queue's mode is one of: {', '.join(Mode.values)}.")
    with transaction.atomic():
        queue, is_new = Queue.objects.get_or_create(
            project=project, name=name, defaults={"mode": mode or Mode.PAIR}
        )
        if is_new:
            record(Action.QUEUE_MADE, by, queue, project_id=project.pk)
    if mode is not None and queue.mode != mode:
        raise UnknownQueue(
            f"The queue '{name}' is there already, in mode {queue.mode}. Choose another"
            " name."
        )
    return queue


def add_sources(queue: Queue, batch_ids: set[str]) -> None:
    """Let the answers of these batches or imports meet in the queue."""
    rows = [Source(queue=queue, batch_id=one) for one in sorted(batch_ids)]
    Source.objects.bulk_create(rows, ignore_conflicts=True)
