"""Bring a batch's results into a queue: lazily, in pages, safe to repeat."""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from batches.handlers import GiveUp, Result
from batches.handlers.results import StoredResults
from batches.models import BatchJob
from batches.structured import is_invalid
from curation.ingest.answers import read_answer
from curation.ingest.prompts import read_request
from curation.ingest.requests import Found, Requests, open_requests
from curation.ingest.storing import Entry, Page, make_candidate
from curation.models import Queue

FAILED = "failed"
NO_TEXT = "without a text"
NO_REQUEST = "without a request in the input file"
UNREADABLE = "unreadable"


@dataclass
class Report:
    """What became of a batch's results; those left out are counted by cause."""

    answers: int = 0
    tasks: int = 0
    skipped: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        """Say it in a sentence."""
        rest = "".join(f", {count} {why}" for why, count in self.skipped.items())
        return f"{self.answers} answers, {self.tasks} new tasks{rest}"


class Skipped(Exception):
    """A result that nobody could judge; the text is the cause."""


def ingest_batch(
    batch: BatchJob, queue: Queue, results: Iterable[Result] | None = None
) -> Report:
    """Store the answers of an ended batch and make the queue's tasks.

    Raises GiveUp if the batch's input or its results are gone.
    """
    report, page = Report(), Page(queue)
    try:
        with open_requests(batch) as requests:
            for result in StoredResults(batch) if results is None else results:
                try:
                    page.add(read_entry(result, requests))
                except Skipped as cause:
                    report.skipped[str(cause)] += 1
            page.write()
    except FileNotFoundError as error:
        raise GiveUp(f"The input file {batch.input_file_id} is gone.") from error
    report.answers, report.tasks = page.answers, page.tasks
    return report


def read_entry(result: Result, requests: Requests) -> Entry:
    """Return a result as an answer to its request; raises Skipped."""
    if not result.is_success:
        raise Skipped(FAILED)
    found = requests.find(result.custom_id)
    if found is None:
        raise Skipped(NO_REQUEST)
    answer = read_answer(result.body)
    if answer is None:
        raise Skipped(NO_TEXT)
    try:
        request = read_request(found.body)
    except ValueError as error:
        raise Skipped(UNREADABLE) from error
    manifest, revision = provenance(found.batch, request.model)
    candidate = make_candidate(
        found.batch.pk,
        found.line,
        result.custom_id,
        request=request,
        answer=answer,
        manifest=manifest,
        revision=revision,
        checks=_checks(found, result),
    )
    return Entry(request.prompt, candidate)


def _checks(found: Found, result: Result) -> dict[str, Any]:
    """Tell whether the answer has the form its request asked for, if it asked."""
    if b"format" not in found.body:
        return {}
    try:
        answer = json.dumps(result.body).encode()
    except (RecursionError, ValueError):
        return {"schema": False}
    if is_invalid(found.body, answer):
        return {"schema": False}
    return {"schema": True} if b"json_schema" in found.body else {}


def provenance(batch: BatchJob, model: str) -> tuple[dict[str, Any] | None, str]:
    """Return what a batch's manifest says of a model, and the model's revision."""
    manifest = batch.manifest if isinstance(batch.manifest, dict) else {}
    entries = manifest.get("entries")
    if not isinstance(entries, list):
        return None, ""
    own = [
        one for one in entries if isinstance(one, dict) and one.get("model") == model
    ]
    if not own:
        return None, ""
    return {"entries": own}, str(own[-1].get("revision") or "")
