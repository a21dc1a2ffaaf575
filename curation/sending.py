"""Send batches to curation by hand: ended ones now, the others when they end."""

from collections.abc import Sequence

from django.db import transaction

from batches.handlers.replaying import replay_runs
from batches.models import BatchJob
from batches.models.batch import TERMINAL
from curation.audit.recording import Actor, record
from curation.comparing import add_comparison
from curation.exceptions import CurationError
from curation.models import Comparison
from curation.models.audit_event import Action
from curation.queues import find_or_make
from curation.result_handlers import CurationHandler


def send(
    batches: Sequence[BatchJob],
    queue_name: str,
    mode: str | None = None,
    *,
    by: Actor,
) -> Comparison:
    """Let batches of one project meet in a queue; raises CurationError."""
    if len({batch.project_id for batch in batches}) != 1:
        raise CurationError("Choose batches of one project.")
    with transaction.atomic():
        queue = find_or_make(batches[0].project, queue_name, mode, by)
        comparison = add_comparison(queue, batches)
        ids = ", ".join(batch.pk for batch in batches)
        project_id = queue.project_id
        record(Action.IMPORTED, by, queue, project_id=project_id, detail=ids)
        ended = comparison.batches.filter(status__in=TERMINAL)
        if ended.exists():
            replay_runs(ended, CurationHandler.key())
    return comparison
