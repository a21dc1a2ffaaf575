"""Validate and plan a batch: one pass over its file, then one status change."""

from collections.abc import Callable
from typing import IO

from batches import actions, faults
from batches.exceptions import QuotaReached
from batches.faults import Fault
from batches.lines import open_input
from batches.models import BatchJob, Chunk
from batches.offers import find_offers
from batches.planning import Planner
from batches.preflight import Preflight, make_preflight
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
    validator, preflight = make_validator(batch.endpoint), _preflight(batch)
    with open_input(batch) as stream:
        chunks, found = read(batch, stream, (validator, preflight), keep_alive)
    if found:
        actions.fail(batch, [fault.as_error() for fault in found])
    else:
        _advance(batch, chunks, validator, preflight)


def _advance(
    batch: BatchJob,
    chunks: list[Chunk],
    validator: LineValidator,
    preflight: Preflight | None,
) -> None:
    """Start a valid batch; end one that was only to be looked at."""
    models = list(validator.models)
    model = models[0] if len(models) == 1 else None
    report = preflight.report() if preflight else None
    if batch.is_dry_run and report:
        total = sum(chunk.line_count for chunk in chunks)
        actions.end_dry_run(batch, total, model=model, preflight=report)
        return
    tokens = preflight.enqueued_tokens if preflight else validator.enqueued_tokens
    try:
        actions.start(
            batch, chunks, model=model, enqueued_tokens=tokens, preflight=report
        )
    except QuotaReached as reached:
        name, limit = model or "the batch's models", reached.limit
        fault = faults.token_limit(name, batch.project.name, limit)
        actions.fail(batch, [fault.as_error()])


def _preflight(batch: BatchJob) -> Preflight | None:
    is_strict = conf().BATCH_PREFLIGHT == "lengths"
    if not is_strict and not batch.is_dry_run:
        return None
    return make_preflight(batch.endpoint, is_strict=is_strict)


def make_validator(endpoint: str) -> LineValidator:
    """Return one as the settings and the catalog of models say."""
    return LineValidator(
        endpoint,
        find_offers(),
        allow_mixed_models=conf().BATCH_ALLOW_MIXED_MODELS,
        max_line_bytes=conf().BATCH_MAX_LINE_BYTES,
    )


def read(
    batch: BatchJob,
    stream: IO[bytes],
    readers: tuple[LineValidator, Preflight | None],
    keep_alive: Callable[[], None],
) -> tuple[list[Chunk], list[Fault]]:
    """Return the plan and the faults, of which any makes the plan worthless.

    The readers take each line: the second one those that the first one finds valid.
    """
    limits = conf()
    validator, preflight = readers
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
        if preflight and not faults_of_line:
            faults_of_line = preflight.look(line, model)
            keep_alive()
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
