"""Send corrected prompts out: an ordinary batch for each model."""

from collections.abc import Sequence
from typing import IO

from django.db import transaction

from batches.models.batch import Status
from curation.audit.recording import Actor, record
from curation.canonical import clean
from curation.exceptions import CurationError
from curation.making_batches import kept, store_batch, write_input
from curation.models import Queue, Rerun
from curation.models.audit_event import Action
from curation.models.queue import Mode
from curation.queues import LONGEST_NAME, find_or_make
from curation.rerunning.planning import Plan, Target, lines, plan
from curation.rerunning.prompts import Correction
from files.models import File
from vllm_batch.lib.conf import conf

# A batch that ended so has brought nothing: its correction may be sent again.
FRUITLESS = (Status.FAILED, Status.CANCELLED, Status.EXPIRED)
BESIDE = " before and after"


class _Repeated(Exception):  # noqa: N818 - named for what happened
    """The same lines are under way already."""

    def __init__(self, reruns: list[Rerun]) -> None:
        self.reruns = reruns


def correct(
    queue: Queue,
    items: Sequence[int] | None,
    correction: Correction,
    by: Actor,
) -> list[Rerun]:
    """Ask again for the answers to these items, or to all of the queue's.

    Each model that is served gets its own prompts back, corrected, with the parameters
    they had. Doing it twice sends nothing twice. Raises CurationError.
    """
    planned = plan(queue, items, correction)
    if not planned.total:
        raise CurationError(_nothing(planned))
    most = conf().BATCH_MAX_REQUESTS
    if max(planned.lines.values()) > most:
        raise CurationError(f"A batch has at most {most} lines. Correct fewer items.")
    files: dict[Target, File] = {}
    stored: list[File] = []
    try:
        with kept(stored):
            for target in sorted(planned.lines):
                files[target] = _write(queue, target, items, correction)
                stored.append(files[target])
            with transaction.atomic():
                found = _store(queue, files, correction, by)
                for rerun in found:
                    _note(rerun, by, items)
                return found
    except _Repeated as repeated:
        return repeated.reruns


def _nothing(planned: Plan) -> str:
    causes = []
    if planned.unserved:
        names = ", ".join(sorted(planned.unserved))
        causes.append(f"these models are not served: {names}")
    if planned.repeated:
        causes.append(f"{planned.repeated} answers were asked for again so already")
    if planned.unchanged:
        causes.append(f"{planned.unchanged} answers' prompts would stay as they are")
    return f"There is nothing to run: {'; '.join(causes) or 'the queue is empty'}."


def _write(
    queue: Queue, target: Target, items: Sequence[int] | None, correction: Correction
) -> File:
    def write(stream: IO[bytes]) -> int:
        count = 0
        for line in lines(queue, items, correction):
            if line.target == target:
                stream.write(line.content)
                count += 1
        return count

    return write_input(queue.project, f"{target.model} again {queue.name}.jsonl", write)


def _store(
    queue: Queue, files: dict[Target, File], correction: Correction, by: Actor
) -> list[Rerun]:
    # One at a time in a queue, so that a double click finds what the first one stored.
    Queue.objects.select_for_update().get(pk=queue.pk)
    meeting = _pairs_queue(queue, by)
    hashes = [file.sha256 for file in files.values()]
    alive = Rerun.objects.filter(queue=meeting, lines_sha256__in=hashes)
    alive = alive.filter(batch__isnull=False).exclude(batch__status__in=FRUITLESS)
    known = {rerun.lines_sha256: rerun for rerun in alive}
    if len(known) == len(set(hashes)):
        raise _Repeated(list(known.values()))
    return [
        Rerun.objects.create(
            queue=meeting,
            batch=store_batch(file, target.endpoint),
            model=target.model,
            correction=clean(correction.as_json()),
            lines_sha256=file.sha256,
            line_count=file.line_count or 0,
            created_by_id=by.id,
        )
        for target, file in files.items()
        if file.sha256 not in known
    ]


def _note(rerun: Rerun, by: Actor, items: Sequence[int] | None) -> None:
    record(
        Action.CORRECTED,
        by,
        rerun,
        project_id=rerun.queue.project_id,
        item_id=items[0] if items and len(items) == 1 else None,
        detail=f"{rerun.line_count} lines in {rerun.batch_id}",
    )


def _pairs_queue(queue: Queue, by: Actor) -> Queue:
    """Return where old and new answers meet: the queue, or a pair queue beside it."""
    if queue.mode == Mode.PAIR:
        return queue
    name = queue.name[: LONGEST_NAME - len(BESIDE)] + BESIDE
    return find_or_make(queue.project, name, Mode.PAIR, by)
