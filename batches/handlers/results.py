"""What a handler is given: a batch's records, read lazily, and its facts."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
from msgspec import Struct

from batches.handlers.base import BatchMetadata, Counts, GiveUp, Result
from batches.models import BatchJob, Chunk
from batches.results import results_of
from vllm_batch.lib.errors import NotFound


class StoredResults:
    """Reads the batch's files anew each time, one record at a time."""

    def __init__(self, batch: BatchJob) -> None:
        self._batch = batch

    def __iter__(self) -> Iterator[Result]:
        """Yield the records; raises GiveUp if their owner deleted them."""
        try:
            stream = results_of(self._batch, "").stream()
        except NotFound as error:
            raise GiveUp(error.message) from error
        return (_result(line) for line in _lines(stream))


def _lines(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Cut a stream into lines; a long one is joined once, not block by block."""
    start: list[bytes] = []
    for block in blocks:
        first, *rest = block.split(b"\n")
        start.append(first)
        if rest:
            yield b"".join(start)
            yield from rest[:-1]
            start = [rest[-1]]
    if line := b"".join(start):
        yield line


class _Response(Struct):
    status_code: int


class _Bodiless(Struct):
    id: str
    custom_id: str
    response: _Response | None = None


def _result(line: bytes) -> Result:
    try:
        record: dict[str, Any] = json.loads(line)
    except (ValueError, RecursionError):
        # An engine's body that Python cannot hold: a number of 5,000 digits, say.
        return _without_body(line)
    response, error = record["response"] or {}, record["error"] or {}
    return Result(
        id=record["id"],
        custom_id=record["custom_id"],
        status_code=response.get("status_code"),
        request_id=response.get("request_id"),
        body=response.get("body"),
        error_code=error.get("code"),
        error_message=error.get("message"),
    )


def _without_body(line: bytes) -> Result:
    record = msgspec.json.decode(line, type=_Bodiless)
    status = record.response.status_code if record.response else None
    return Result(id=record.id, custom_id=record.custom_id, status_code=status)


def metadata_of(batch: BatchJob) -> BatchMetadata:
    """Return the facts of an ended batch."""
    models = Chunk.objects.filter(batch=batch).order_by("model")
    return BatchMetadata(
        batch_id=batch.pk,
        project_id=batch.project_id,
        project_name=batch.project.name,
        status=batch.status,
        endpoint=batch.endpoint,
        models=tuple(models.values_list("model", flat=True).distinct()),
        counts=Counts(
            total=batch.total,
            completed=batch.completed,
            failed=batch.failed,
            cut_off=batch.cut_off,
            invalid_output=batch.invalid_output,
            folded=batch.folded,
        ),
        input_tokens=batch.input_tokens,
        output_tokens=batch.output_tokens,
        created_at=batch.created_at,
        in_progress_at=batch.in_progress_at,
        ended_at=getattr(batch, f"{batch.status}_at"),
        input_file_id=batch.input_file_id,
        output_file_id=batch.output_file_id,
        error_file_id=batch.error_file_id,
        metadata=batch.metadata or {},
        errors=tuple((batch.errors or {}).get("data", ())),
        manifest=getattr(batch, "manifest", None) or {},
    )
