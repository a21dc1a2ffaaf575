"""Fetch annotations: read what changed since the last pass, page by page.

A pass may end anywhere and goes on from there. It reads by task id, so nothing is
passed over while others annotate; what changes behind it is found by the next pass,
because `next_cursor` is the server's own time when the pass began, less an overlap.
"""

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import IntegrityError, transaction

from curation.label_studio.annotations import Annotation, Unreadable, read_annotation
from curation.label_studio.client import PAGE, LabelStudio
from curation.label_studio.errors import LabelStudioError
from curation.label_studio.links import TASK, links_of, new_link
from curation.label_studio.payload import ext_id_of, shown_order
from curation.label_studio.people import People
from curation.label_studio.recording import Recorder
from curation.models import Candidate, LabelStudioProject, Task
from curation.review.actions.slots import lock_task
from vllm_batch.lib.clock import database_now

logger = logging.getLogger(__name__)

OVERLAP = timedelta(minutes=2)


@dataclass
class Pulled:
    """What a pull did."""

    tasks: int = 0
    recorded: int = 0
    gone: int = 0
    unreadable: int = 0
    # Remote tasks that were there twice, and were removed.
    doubles: int = 0
    is_complete: bool = False


def pull_project(
    client: LabelStudio, row: LabelStudioProject, seconds: float | None = None
) -> Pulled:
    """Read a pass to its end, or for so long. Raises LabelStudioError; run it again."""
    ends_at = None if seconds is None else time.monotonic() + seconds
    # Cleared before reading: a hint that comes meanwhile asks for another pass.
    _save(row, pull_requested_at=None)
    puller = Puller(client, row)
    try:
        while not puller.step():
            if ends_at is not None and time.monotonic() > ends_at:
                return puller.done
    except LabelStudioError as error:
        _save(row, last_error=str(error)[:500], pulled_at=database_now())
        raise
    _save(row, last_error="", pulled_at=database_now())
    puller.done.is_complete = True
    return puller.done


class Puller:
    """One pass over a project, or a part of it."""

    def __init__(self, client: LabelStudio, row: LabelStudioProject) -> None:
        self._client, self._row = client, row
        self._people = People(client, row.queue.project)
        self.done = Pulled()

    def step(self) -> bool:
        """Read one page; True if it was the pass's last."""
        row = self._row
        assert row.remote_id is not None, "callers leave others out"  # noqa: S101
        page = self._client.tasks(
            row.remote_id, after_id=row.passed_id, since=row.cursor
        )
        if row.next_cursor is None:
            _save(row, next_cursor=self._client.server_time - OVERLAP)
        for remote in page:
            self._take(remote)
        if len(page) < PAGE:
            _save(row, cursor=row.next_cursor, next_cursor=None, passed_id=0)
            return True
        _save(row, passed_id=max(int(task["id"]) for task in page))
        return False

    def _take(self, remote: Mapping[str, Any]) -> None:
        """Record one remote task; what is none of ours is left alone."""
        data = remote.get("data")
        ext_id = data.get("ext_id") if isinstance(data, Mapping) else None
        task = self._task_of(ext_id)
        if task is None:
            return
        self.done.tasks += 1
        annotations = self._read(remote)
        for annotation in annotations:
            self._people.meet(annotation.author)
        try:
            with transaction.atomic():
                is_double = self._record(task.pk, remote, annotations)
        except IntegrityError:
            # Another pull recorded the same at this moment.
            logger.info("task %s was recorded by another pull", task.pk)
            return
        if is_double and not remote.get("annotations"):
            self._client.delete_task(int(remote["id"]))
            self.done.doubles += 1

    def _task_of(self, ext_id: object) -> Task | None:
        """Return our task if the name is one that we gave."""
        parts = ext_id.split(":") if isinstance(ext_id, str) else []
        if len(parts) != 3 or not (parts[1].isdecimal() and len(parts[1]) < 19):
            return None
        tasks = self._row.queue.tasks.select_related("item")
        task = tasks.filter(pk=int(parts[1])).first()
        if task is None or ext_id_of(task, _candidates(task)) != ext_id:
            return None
        return task

    def _read(self, remote: Mapping[str, Any]) -> list[Annotation]:
        found = []
        for raw in remote.get("annotations") or []:
            try:
                found.append(read_annotation(raw))
            except Unreadable as error:
                self.done.unreadable += 1
                logger.warning("an annotation of %s: %s", remote.get("id"), error)
        return found

    def _record(
        self, pk: int, remote: Mapping[str, Any], annotations: list[Annotation]
    ) -> bool:
        """Record in one transaction; return whether the remote task is a double."""
        task = lock_task(pk)
        is_double = self._link(task, remote)
        candidates = _candidates(task)
        by_id = {candidate.pk: candidate for candidate in candidates}
        order = shown_order(ext_id_of(task, candidates), candidates)
        shown = [by_id[one] for one in order]
        scope, remote_id = self._row.scope, int(remote["id"])
        recorder = Recorder(task, shown, scope=scope, remote_task=remote_id)
        recorded = sum(
            recorder.record(one, self._people.find(one.author)) for one in annotations
        )
        gone = recorder.note_gone(_ids(remote))
        recorder.finish()
        self.done.recorded += recorded
        self.done.gone += gone
        return is_double

    def _link(self, task: Task, remote: Mapping[str, Any]) -> bool:
        """Link what a push that was cut off left without; True if another one is."""
        links = links_of(TASK, self._row.scope)
        link = links.filter(local_id=str(task.pk)).first()
        if link is None:
            link = new_link(TASK, self._row.scope, task.pk, remote["id"])
            link.data = {"ext_id": remote["data"]["ext_id"]}
            link.save()
        return link.remote_id != str(remote["id"])


def _ids(remote: Mapping[str, Any]) -> set[str]:
    """Return the ids of all annotations that are there, readable or not."""
    found = remote.get("annotations") or []
    return {str(raw.get("id")) for raw in found if isinstance(raw, Mapping)}


def _candidates(task: Task) -> list[Candidate]:
    """Return a task's answers in its own order."""
    found = Candidate.objects.in_bulk(task.candidate_ids)
    return [found[pk] for pk in task.candidate_ids if pk in found]


def _save(row: LabelStudioProject, **fields: Any) -> None:
    for name, value in fields.items():
        setattr(row, name, value)
    row.save(update_fields=list(fields))
