"""Send a queue's tasks to Label Studio: each once, and again what has changed.

A crash between the remote import and our commit leaves tasks without a link over there.
So before each import the project's row says that one is open, and whoever finds it so
looks first which tasks are there, by `data.ext_id`. An import that a server finishes
after we have given up on it may still double some; `pulling.py` removes those.
"""

import json
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from curation.audit.recording import SERVER, Actor, record
from curation.label_studio import projects
from curation.label_studio.client import LabelStudio
from curation.label_studio.errors import Refused
from curation.label_studio.links import TASK, links_of, new_link
from curation.label_studio.payload import Payload, make_payload
from curation.models import Candidate, ExternalLink, LabelStudioProject, Queue, Task
from curation.models.audit_event import Action
from curation.models.task import State
from vllm_batch.lib.clock import database_now

MOST_TASKS, MOST_BYTES = 500, 32 << 20
READ_TASKS = 200


@dataclass
class Pushed:
    """What a push did."""

    created: int = 0
    updated: int = 0
    # There already, from a push that was cut off.
    found: int = 0


def push_queue(
    client: LabelStudio,
    queue: Queue,
    new_for_seconds: float | None = None,
    by: Actor = SERVER,
) -> Pushed:
    """Bring a queue's tasks over. Raises LabelStudioError; run it again then.

    With a time, only what is new, and no chunk starts when it is over.
    """
    row, done = projects.row_of(queue, client.url), Pushed()
    ends_at = time.monotonic() + (new_for_seconds or float("inf"))
    with projects.held(row) as fence:
        projects.ensure(client, row)
        if row.is_import_open:
            done.found = _find_unlinked(client, row, fence)
        for chunk in _chunks(_new_payloads(row)):
            if time.monotonic() > ends_at:
                return done
            projects.renew(row, fence)
            done.created += _import(client, row, chunk, by)
        if new_for_seconds is None:
            for link, payload in _changed(row):
                projects.renew(row, fence)
                done.updated += _update(client, link, payload)
    return done


def _find_unlinked(client: LabelStudio, row: LabelStudioProject, fence: str) -> int:
    """Link what a push brought over that was cut off; return how many tasks."""
    there: dict[str, int] = {}
    for index, task in enumerate(client.all_tasks(_remote(row))):
        if index % 100 == 0:
            projects.renew(row, fence)
        ext_id = task["data"].get("ext_id")
        if isinstance(ext_id, str):
            there.setdefault(ext_id, int(task["id"]))
    found = 0
    for payload in _new_payloads(row):
        if (remote := there.get(payload.ext_id)) is not None:
            # Without a hash: whatever was sent then is brought up to date.
            _store(row, [(payload, remote)], digest=False)
            found += 1
    _mark_open(row, False)
    return found


def _new_payloads(row: LabelStudioProject) -> Iterator[Payload]:
    """Yield what has no link yet, in the order of the tasks."""
    linked = {int(pk) for pk in _links(row).values_list("local_id", flat=True)}
    tasks = row.queue.tasks.exclude(state=State.VOID).order_by("pk")
    missing = [pk for pk in tasks.values_list("pk", flat=True) if pk not in linked]
    yield from _payloads(row.queue, missing)


def _changed(row: LabelStudioProject) -> Iterator[tuple[ExternalLink, Payload]]:
    links = {int(link.local_id): link for link in _links(row).iterator()}
    for payload in _payloads(row.queue, list(links)):
        if links[payload.task.pk].remote_hash != payload.digest:
            yield links[payload.task.pk], payload


def _payloads(queue: Queue, task_ids: list[int]) -> Iterator[Payload]:
    for start in range(0, len(task_ids), READ_TASKS):
        some = task_ids[start : start + READ_TASKS]
        tasks = Task.objects.filter(pk__in=some).select_related("item").order_by("pk")
        wanted = {pk for task in tasks for pk in task.candidate_ids}
        answers = Candidate.objects.in_bulk(wanted)
        for task in tasks:
            found = [answers[pk] for pk in task.candidate_ids if pk in answers]
            if len(found) == len(task.candidate_ids):
                yield make_payload(queue, task, found)


def _chunks(payloads: Iterable[Payload]) -> Iterator[list[Payload]]:
    """Cut into requests by number and size."""
    chunk: list[Payload] = []
    size = 0
    for payload in payloads:
        length = len(json.dumps(payload.body))
        if chunk and (len(chunk) == MOST_TASKS or size + length > MOST_BYTES):
            yield chunk
            chunk, size = [], 0
        chunk.append(payload)
        size += length
    if chunk:
        yield chunk


def _import(
    client: LabelStudio, row: LabelStudioProject, chunk: list[Payload], by: Actor
) -> int:
    _mark_open(row, True)
    try:
        ids = client.import_tasks(_remote(row), [payload.body for payload in chunk])
    except Refused:
        # All or nothing: a request that is refused has left nothing behind.
        _mark_open(row, False)
        raise
    with transaction.atomic():
        _store(row, list(zip(chunk, ids, strict=True)))
        _mark_open(row, False)
        note_copy(row, by, f"{len(ids)} tasks to {row.scope}")
    return len(ids)


def note_copy(row: LabelStudioProject, by: Actor, detail: str) -> None:
    """Write down that a queue's tasks leave; call it in a transaction."""
    queue = row.queue
    record(Action.COPIED_OUT, by, queue, project_id=queue.project_id, detail=detail)


def _mark_open(row: LabelStudioProject, is_open: bool) -> None:
    row.is_import_open = is_open
    row.save(update_fields=["is_import_open"])


def _store(
    row: LabelStudioProject, pairs: list[tuple[Payload, int]], *, digest: bool = True
) -> None:
    links = []
    for payload, remote in pairs:
        link = new_link(TASK, row.scope, payload.task.pk, remote)
        link.remote_hash = payload.digest if digest else ""
        link.data = _data_of(payload)
        links.append(link)
    ExternalLink.objects.bulk_create(links, ignore_conflicts=True)


def _data_of(payload: Payload) -> dict[str, Any]:
    return {"ext_id": payload.ext_id, "shown": payload.shown}


def _update(client: LabelStudio, link: ExternalLink, payload: Payload) -> int:
    """Bring one remote task up to date; one that was deleted there stays so."""
    try:
        client.update_task(int(link.remote_id), payload.body["data"])
    except Refused as error:
        if error.status != 404:
            raise
        link.conflict = "The task was deleted in Label Studio."
    link.remote_hash = payload.digest
    link.data = {**link.data, **_data_of(payload)}
    link.synced_at = database_now()
    link.save(update_fields=["remote_hash", "data", "synced_at", "conflict"])
    return 1


def _links(row: LabelStudioProject) -> Any:
    return links_of(TASK, row.scope).order_by("pk")


def _remote(row: LabelStudioProject) -> int:
    assert row.remote_id is not None, "ensure() gave it one"  # noqa: S101
    return row.remote_id
