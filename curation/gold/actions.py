"""Run a model on the gold set: an ordinary batch for each endpoint."""

from typing import IO

from django.db import transaction

from accounts.models import Project
from batches.models.batch import Status
from batches.offers import find_offers
from curation.audit.recording import SHELL, Actor, record
from curation.catalog import check_models
from curation.exceptions import CurationError
from curation.gold.answers import gold_pages, source_of
from curation.making_batches import kept, store_batch, write_input
from curation.models import EvalRun
from curation.models.audit_event import Action
from curation.rerunning.naming import GOLD, name_of
from curation.rerunning.planning import Target, line_of
from curation.rerunning.prompts import endpoint_of
from files.models import File
from vllm_batch.lib.conf import conf

THRESHOLD = 0.8
FRUITLESS = (Status.FAILED, Status.CANCELLED, Status.EXPIRED)


def run_gold(
    project: Project, model: str, *, threshold: float = THRESHOLD, by: Actor = SHELL
) -> list[EvalRun]:
    """Ask a model for everything that has a gold answer; raises CurationError.

    The prompts run with the parameters their gold answers were made with. The same run
    that is under way is not started twice; one that has ended may be.
    """
    if not 0 <= threshold <= 1:
        raise CurationError("The threshold is a number from 0 to 1.")
    counts = _endpoints(project)
    if not counts:
        raise CurationError(f"{project} has no gold answers yet.")
    served = [endpoint for endpoint in counts if _serves(model, endpoint)]
    if not served:
        check_models([model], next(iter(counts)))
    most = conf().BATCH_MAX_REQUESTS
    if max(counts.values()) > most:
        raise CurationError(f"A batch has at most {most} lines; there is more gold.")
    files: dict[str, File] = {}
    stored: list[File] = []
    with kept(stored):
        for endpoint in served:
            files[endpoint] = _write(project, Target(model, endpoint))
            stored.append(files[endpoint])
        with transaction.atomic():
            Project.objects.select_for_update().get(pk=project.pk)
            return [
                _store(project, Target(model, endpoint), file, threshold, by)
                for endpoint, file in files.items()
            ]


def _serves(model: str, endpoint: str) -> bool:
    offer = find_offers().get(model)
    return offer is not None and offer.serves(endpoint)


def _endpoints(project: Project) -> dict[str, int]:
    counts: dict[str, int] = {}
    for page in gold_pages(project.pk):
        for decision in page:
            endpoint = endpoint_of(decision.item.input)
            counts[endpoint] = counts.get(endpoint, 0) + 1
    return counts


def _write(project: Project, target: Target) -> File:
    def write(stream: IO[bytes]) -> int:
        count = 0
        for page in gold_pages(project.pk):
            for one in page:
                if endpoint_of(one.item.input) == target.endpoint:
                    name = name_of(GOLD, one.pk)
                    line = line_of(name, target, one.item.input, source_of(one))
                    stream.write(line)
                    count += 1
        return count

    return write_input(project, f"gold on {target.model}.jsonl", write)


def _store(
    project: Project, target: Target, file: File, threshold: float, by: Actor
) -> EvalRun:
    live = EvalRun.objects.filter(
        project=project, lines_sha256=file.sha256, batch__in=project.batches.live()
    )
    if run := live.first():
        raise CurationError(f"{target.model} is at it already, in {run.batch_id}.")
    run = EvalRun.objects.create(
        project=project,
        batch=store_batch(file, target.endpoint),
        model=target.model,
        threshold=threshold,
        lines_sha256=file.sha256,
        item_count=file.line_count or 0,
        created_by_id=by.id,
    )
    detail = f"{run.item_count} prompts in {run.batch_id}"
    record(Action.GOLD_RUN, by, run, project_id=project.pk, detail=detail)
    return run
