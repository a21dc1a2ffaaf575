"""Take a model's answers to the gold set in: score them, and open what fell behind."""

from collections.abc import Iterable

from django.db import transaction

from batches.handlers import GiveUp, Result, Results
from batches.models import BatchJob
from curation.audit.recording import SERVER, record
from curation.gold.answers import as_candidate, load, text_of
from curation.gold.scoring import score
from curation.ingest.batches import Skipped, read_entry
from curation.ingest.requests import Requests, open_requests
from curation.ingest.storing import PAGE_ANSWERS
from curation.judging.verdicts import pages
from curation.models import Candidate, Decision, EvalResult, EvalRun, Queue
from curation.models.audit_event import Action
from curation.models.queue import Mode
from curation.pairing import Couple, make_couples
from curation.queues import LONGEST_NAME
from curation.rerunning.naming import GOLD, number_of

REASON = "less like the gold answer than it should be"
BROKEN = "not in the form asked for"
LONGEST_ERROR = 200


def take_gold(run: EvalRun, batch: BatchJob, results: Results) -> None:
    """Store and score the answers, and open regressions as a queue; safe to repeat.

    `batch` is the run's, or a retry of its failed lines. Raises GiveUp if its input is
    gone.
    """
    try:
        with open_requests(batch) as requests:
            for page in pages(results, PAGE_ANSWERS):
                _take(run, page, requests)
    except FileNotFoundError as error:
        raise GiveUp(f"The input file {batch.input_file_id} is gone.") from error
    _open_regressions(run)


def _take(run: EvalRun, page: list[Result], requests: Requests) -> None:
    asked = {number_of(GOLD, one.custom_id): one for one in page}
    decisions = load([number for number in asked if number is not None])
    own = [one for one in decisions if one.item.project_id == run.project_id]
    rows, errors = {}, {}
    for decision in own:
        try:
            entry = read_entry(asked[decision.pk], requests)
        except Skipped as cause:
            errors[decision.pk] = _error(asked[decision.pk], str(cause))
            continue
        entry.candidate.item_id = decision.item_id
        rows[decision.pk] = entry.candidate
    Candidate.objects.bulk_create(rows.values(), ignore_conflicts=True)
    stored = _stored(rows.values())
    found = []
    for decision in own:
        row = rows.get(decision.pk)
        candidate = stored[row.batch_id, row.line] if row is not None else None
        found.append(_result(run, decision, candidate, errors.get(decision.pk, "")))
    EvalResult.objects.bulk_create(
        found,
        update_conflicts=True,
        unique_fields=["run", "item"],
        update_fields=[
            "decision", "candidate", "is_exact", "is_valid", "similarity",
            "is_regression", "error",
        ],
    )  # fmt: skip


def _error(result: Result, cause: str) -> str:
    details = (str(result.status_code or ""), result.error_code, result.error_message)
    return " ".join([cause, *filter(None, details)])[:LONGEST_ERROR]


def _stored(rows: Iterable[Candidate]) -> dict[tuple[str, int], Candidate]:
    listed = list(rows)
    found = Candidate.objects.filter(
        batch_id__in={row.batch_id for row in listed},
        line__in=[row.line for row in listed],
    )
    return {(one.batch_id, one.line): one for one in found}


def _result(
    run: EvalRun, decision: Decision, candidate: Candidate | None, error: str
) -> EvalResult:
    result = EvalResult(
        run=run,
        item_id=decision.item_id,
        decision=decision,
        candidate=candidate,
        is_regression=True,
        error=error,
    )
    if candidate is not None:
        valid = candidate.checks.get("schema")
        points = score(text_of(decision), candidate.text, valid)
        result.is_exact, result.is_valid, result.similarity = points
        result.is_regression = points.is_regression(run.threshold)
    return result


def _open_regressions(run: EvalRun) -> None:
    """Put each regression before people, beside its gold answer and without names."""
    behind = EvalResult.objects.filter(
        run=run, is_regression=True, candidate__isnull=False, decision__isnull=False
    ).order_by("pk")
    if not behind.exists():
        return
    queue = _queue(run)
    for page in pages(behind.iterator(chunk_size=PAGE_ANSWERS), PAGE_ANSWERS):
        ids = [one.decision_id for one in page if one.decision_id is not None]
        decisions = {one.pk: one for one in load(ids)}
        answers = Candidate.objects.in_bulk([one.candidate_id for one in page])
        couples: dict[str, list[Couple]] = {BROKEN: [], REASON: []}
        for one in page:
            gold = as_candidate(decisions[one.decision_id or 0])
            couple = Couple(one.item_id, (gold, answers[one.candidate_id]))
            couples[BROKEN if one.is_valid is False else REASON].append(couple)
        for reason, found in couples.items():
            make_couples(queue, found, [reason])


def _queue(run: EvalRun) -> Queue:
    if run.queue is not None:
        return run.queue
    name = f"Gold against {run.model}"[: LONGEST_NAME - 12] + f" #{run.pk}"
    with transaction.atomic():
        queue, is_new = Queue.objects.get_or_create(
            project_id=run.project_id,
            name=name,
            defaults={
                "mode": Mode.PAIR,
                "instructions": "Which answer is better? Neither is marked as gold.",
            },
        )
        if is_new:
            record(Action.QUEUE_MADE, SERVER, queue, project_id=run.project_id)
    run.queue = queue
    run.save(update_fields=["queue"])
    return queue
