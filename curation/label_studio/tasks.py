"""What the ops queue runs: send what is new, fetch what changed."""

import logging
import time
from datetime import timedelta

from django.db.models import F, Q
from django_q.tasks import async_task

from curation.label_studio.client import LabelStudio, connect
from curation.label_studio.errors import Busy, LabelStudioError, Unreachable
from curation.label_studio.labelling import VERDICTS
from curation.label_studio.pulling import pull_project
from curation.label_studio.pushing import push_queue
from curation.models import LabelStudioProject
from vllm_batch.lib.clock import database_now
from vllm_batch.lib.conf import conf

logger = logging.getLogger(__name__)

# Well below the queue's own limit; what is left is rung for again in a minute.
TOTAL_SECONDS, PROJECT_SECONDS = 120, 30


def exchange() -> None:
    """Talk to Label Studio about the projects that are due, the oldest pull first."""
    if not conf().has_label_studio:
        return
    client, ends_at = connect(), time.monotonic() + TOTAL_SECONDS
    for row in list(_due()):
        if time.monotonic() > ends_at:
            return
        try:
            _exchange(client, row)
        except Busy:
            continue
        except LabelStudioError as error:
            logger.warning("%s: %s", row, error)
            LabelStudioProject.objects.filter(pk=row.pk).update(
                last_error=str(error)[:500], pulled_at=database_now()
            )
            if isinstance(error, Unreachable):
                return


def _due() -> list[LabelStudioProject]:
    now = database_now()
    before = now - timedelta(seconds=conf().LABEL_STUDIO_PULL_SECONDS)
    rows = LabelStudioProject.objects.filter(
        url=conf().LABEL_STUDIO_URL, queue__mode__in=VERDICTS
    )
    waiting = Q(pull_requested_at__isnull=False) | Q(pulled_at__isnull=True)
    due = rows.filter(waiting | Q(pulled_at__lt=before) | Q(passed_id__gt=0))
    by_wait = F("pulled_at").asc(nulls_first=True)
    return list(due.select_related("queue__project").order_by(by_wait))


def _exchange(client: LabelStudio, row: LabelStudioProject) -> None:
    push_queue(client, row.queue, new_for_seconds=PROJECT_SECONDS)
    row.refresh_from_db()
    if row.remote_id is not None:
        pull_project(client, row, PROJECT_SECONDS)


def push(queue_id: int) -> None:
    """Bring a queue over, changes included; the admin rings for this."""
    row = LabelStudioProject.objects.select_related("queue").get(queue_id=queue_id)
    push_queue(connect(), row.queue)


def request_pull(rows: list[int] | None = None, *, remote_id: int | None = None) -> int:
    """Ask for a pull of these rows, or of a remote project; return how many are new.

    Many hints make one pull: only the first rings.
    """
    wanted = LabelStudioProject.objects.filter(pull_requested_at=None)
    if rows is not None:
        wanted = wanted.filter(pk__in=rows)
    else:
        wanted = wanted.filter(url=conf().LABEL_STUDIO_URL, remote_id=remote_id)
    count = wanted.update(pull_requested_at=database_now())
    if count:
        async_task("curation.label_studio.tasks.exchange", cluster="ops")
    return count
