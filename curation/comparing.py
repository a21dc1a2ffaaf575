"""Run one file on several models: a batch for each, and the comparison they belong to.

The lines are copied with another `model`; everything else keeps its own bytes. A line
that cannot be read is copied as it is: the batch's validation names it by its number.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO, cast

import msgspec
from django.db import transaction
from msgspec import Raw

from accounts.models import Project
from batches.endpoints import ENDPOINTS
from batches.faults import CHAT
from batches.models import BatchJob
from curation.audit.recording import SHELL, Actor, record
from curation.catalog import check_models
from curation.exceptions import CurationError, UnsuitableFile
from curation.making_batches import kept, store_batch, write_input
from curation.models import Comparison, Queue
from curation.models.audit_event import Action
from curation.queues import LONGEST_NAME, find_or_make
from files.models import File, Purpose, batch_storage
from vllm_batch.lib.clock import database_now
from vllm_batch.lib.conf import conf
from vllm_batch.lib.jsonl import read_lines

# What these answer is a text that a reviewer can read.
TEXT_ENDPOINTS = (CHAT, "/v1/completions", "/v1/responses")
MOST_MODELS = 20
_objects = msgspec.json.Decoder(dict[str, Raw])
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


@dataclass(frozen=True)
class ComparisonOrder:
    """What to run, on which models, and where the answers meet."""

    project: Project
    filename: str
    models: Sequence[str]
    queue: str
    mode: str | None = None
    by: Actor = SHELL


def compare(order: ComparisonOrder, source: IO[bytes]) -> Comparison:
    """Make the batches, the queue and the comparison, all of them or none.

    `source` is the batch file, open for reading and seekable. Raises CurationError.
    """
    names = list(dict.fromkeys(order.models))
    if not 1 <= len(names) <= MOST_MODELS:
        raise CurationError(f"Name 1 to {MOST_MODELS} models.")
    endpoint = _endpoint(source)
    check_models(names, endpoint)
    files: list[File] = []
    with kept(files):
        for name in names:
            files.append(_copy(order, source, name))
        with transaction.atomic():
            queue = find_or_make(order.project, order.queue, order.mode, order.by)
            batches = [store_batch(file, endpoint) for file in files]
            found = add_comparison(queue, batches)
            _note(found, order.by, names)
            return found


def _note(comparison: Comparison, by: Actor, names: Sequence[str]) -> None:
    project_id, detail = comparison.project_id, ", ".join(names)
    record(Action.COMPARED, by, comparison, project_id=project_id, detail=detail)


def add_comparison(queue: Queue, batches: Sequence[BatchJob]) -> Comparison:
    """Let batches meet in a queue, under the queue's name or one like it."""
    known = set(
        Comparison.objects.filter(
            project=queue.project_id, name__startswith=queue.name[: LONGEST_NAME - 8]
        ).values_list("name", flat=True)
    )
    name, number = queue.name, 1
    while name in known:
        number += 1
        name = f"{queue.name[: LONGEST_NAME - 8]} ({number})"
    found = Comparison.objects.create(
        project_id=queue.project_id, name=name, queue=queue
    )
    found.batches.set(batches)
    return found


def open_batch_file(project: Project | None, file_id: str) -> tuple[File, IO[bytes]]:
    """Open a stored batch file; raises UnsuitableFile."""
    files = File.objects.visible(database_now()).filter(pk=file_id, purged_at=None)
    file = (files if project is None else files.of(project)).first()
    if file is None:
        raise UnsuitableFile(f"There is no file {file_id}, or it was deleted.")
    if file.purpose != Purpose.BATCH:
        raise UnsuitableFile(
            f"{file_id} has the purpose '{file.purpose}', not 'batch'."
        )
    try:
        return file, cast(IO[bytes], batch_storage().open(file.path))
    except FileNotFoundError as error:
        raise UnsuitableFile(f"The bytes of {file_id} are gone.") from error


def _endpoint(source: IO[bytes]) -> str:
    """Return the endpoint of the first line that names one."""
    source.seek(0)
    for line in read_lines(source, conf().BATCH_MAX_LINE_BYTES):
        try:
            url = msgspec.json.decode(_objects.decode(line.content)["url"])
        except (*_UNREADABLE, KeyError):
            continue
        if url in TEXT_ENDPOINTS:
            return str(url)
        if url in ENDPOINTS:
            raise UnsuitableFile(f"{url} gives no answers that a person can compare.")
    raise UnsuitableFile(
        f"This is no batch file: no line has the url of an endpoint, such as {CHAT}."
    )


def _copy(order: ComparisonOrder, source: IO[bytes], model: str) -> File:
    def write(target: IO[bytes]) -> int:
        source.seek(0)
        count = 0
        for line in read_lines(source, conf().BATCH_MAX_LINE_BYTES):
            target.write(with_model(line.content, model) + b"\n")
            count += 1
        return count

    return write_input(order.project, f"{model} {order.filename}", write)


def with_model(line: bytes, model: str) -> bytes:
    """Return a batch file's line with another model, or as it is if unreadable."""
    try:
        request = _objects.decode(line)
        body = _objects.decode(request["body"])
    except (*_UNREADABLE, KeyError):
        return line
    body["model"] = Raw(msgspec.json.encode(model))
    request["body"] = Raw(msgspec.json.encode(body))
    return msgspec.json.encode(request)
