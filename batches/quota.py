"""How many batches that have not ended a project may have, and tokens in them."""

from django.db.models import Sum

from accounts.models import Project
from batches.exceptions import QuotaReached
from batches.models import BatchJob
from vllm_batch.lib.conf import conf
from vllm_batch.lib.errors import QuotaExceeded


def reserve_place(project: Project) -> None:
    """Check that the project may have one more live batch; raises QuotaExceeded.

    Called inside the transaction that saves the batch, under the lock of `reserve`.
    """
    if not _place_limit_of(project):
        return
    rows = Project.objects.select_for_update(no_key=True)
    limit = _place_limit_of(rows.get(pk=project.pk))
    number = BatchJob.objects.of(project).live().count()
    if limit and number >= limit:
        raise QuotaExceeded(
            f"This project has {number} batches that have not ended, and may have"
            f" {limit}. Wait until one has ended, or cancel one."
        )


def _place_limit_of(project: Project) -> int:
    own = project.live_batches_limit
    return conf().PROJECT_LIVE_BATCHES if own is None else own


def limit_of(project: Project) -> int:
    """Return the project's limit in tokens; 0 means none."""
    own = project.enqueued_token_limit
    return conf().PROJECT_ENQUEUED_TOKENS if own is None else own


def reserve(batch: BatchJob, tokens: int) -> None:
    """Check that the batch's tokens fit beside those of the project's live batches.

    Called inside the transaction that starts the batch, as its last step but one: the
    project's row is locked until then, so of two batches that fit only one by one the
    second sees the first. Nothing is given back: ended batches do not count. Raises
    QuotaReached.
    """
    if not limit_of(batch.project):
        return
    # No key of it changes: others may go on to insert rows that refer to it.
    rows = Project.objects.select_for_update(no_key=True)
    limit = limit_of(rows.get(pk=batch.project_id))
    live = BatchJob.objects.of(batch.project).live().exclude(pk=batch.pk)
    taken = live.aggregate(tokens=Sum("enqueued_tokens"))["tokens"] or 0
    if limit and taken + tokens > limit:
        raise QuotaReached(limit)
