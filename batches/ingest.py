"""Validate and plan a batch: one pass over its file, then one status change."""

from collections.abc import Callable
from typing import IO

from django.conf import settings
from django.utils.module_loading import import_string

from batches import actions, faults
from batches.faults import Fault
from batches.lines import open_input
from batches.models import BatchJob, Chunk
from batches.planning import Planner
from batches.validation import LineValidator
from files.models import File
from vllm_batch.lib.clock import database_now
from vllm_batch.lib.conf import conf
from vllm_batch.lib.jsonl import read_lines

LINES_BETWEEN_RENEWALS = 1000


def ingest(batch: BatchJob, keep_alive: Callable[[], None]) -> None:
    """Start the batch, or fail it with every fault of its file."""
    files = File.objects.of(batch.project).visible(database_now())
    if not files.filter(pk=batch.input_file_id).exists():
        missing = faults.missing_file(batch.input_file_id, batch.project.name)
        actions.fail(batch, [missing.as_error()])
        return
    validator = _validator(batch)
    with open_input(batch) as stream:
        chunks, found = _read(batch, stream, validator, keep_alive)
    if found:
        actions.fail(batch, [fault.as_error() for fault in found])
        return
    models = list(validator.models)
    actions.start(batch, chunks, model=models[0] if len(models) == 1 else None)


def _validator(batch: BatchJob) -> LineValidator:
    return LineValidator(
        batch.endpoint,
        import_string(settings.MODEL_CATALOG)(),
        allow_mixed_models=conf().BATCH_ALLOW_MIXED_MODELS,
        max_line_bytes=conf().BATCH_MAX_LINE_BYTES,
    )


def _read(
    batch: BatchJob,
    stream: IO[bytes],
    validator: LineValidator,
    keep_alive: Callable[[], None],
) -> tuple[list[Chunk], list[Fault]]:
    """Return the plan and the faults, of which any makes the plan worthless."""
    limits = conf()
    planner = Planner(batch, limits.BATCH_CHUNK_LINES, limits.BATCH_CHUNK_BYTES)
    found: list[Fault] = []
    count = 0
    for line in read_lines(stream, limits.BATCH_MAX_LINE_BYTES):
        if line.is_blank:
            continue
        count += 1
        if count > limits.BATCH_MAX_REQUESTS:
            return [], [faults.too_many_requests(limits.BATCH_MAX_REQUESTS)]
        if len(found) >= limits.BATCH_MAX_ERRORS:
            break
        model, faults_of_line = validator.check(line)
        found += faults_of_line
        if not found:
            planner.add(line, model)
        if count % LINES_BETWEEN_RENEWALS == 0:
            keep_alive()
    planner.cut()
    found = found[: limits.BATCH_MAX_ERRORS]
    if count == 0:
        found = [faults.EMPTY_FILE]
    elif validator.embedding_inputs > limits.BATCH_MAX_EMBEDDING_INPUTS:
        found.append(faults.too_many_inputs(limits.BATCH_MAX_EMBEDDING_INPUTS))
    return planner.chunks, found
