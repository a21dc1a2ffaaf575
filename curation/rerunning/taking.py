"""Take answers to corrected prompts in, each beside the answer it is to replace."""

from django.db import transaction
from django.db.models import Q

from batches.handlers import GiveUp, Result, Results
from batches.models import BatchJob
from curation.ingest.batches import Report, Skipped, read_entry
from curation.ingest.requests import Requests, open_requests
from curation.ingest.storing import PAGE_ANSWERS, Entry, store_entries
from curation.judging.verdicts import pages
from curation.models import Candidate, Item, Rerun
from curation.pairing import Couple, make_couples
from curation.rerunning.naming import ANSWER, number_of

REASON = "before and after a correction"


def take_answers(rerun: Rerun, batch: BatchJob, results: Results) -> Report:
    """Store the answers of an ended batch and make their tasks; safe to repeat.

    `batch` is the rerun's, or a retry of its failed lines. Raises GiveUp if its input
    is gone.
    """
    report = Report()
    try:
        with open_requests(batch) as requests:
            for page in pages(results, PAGE_ANSWERS):
                _take(rerun, _read(rerun, page, requests, report), report)
    except FileNotFoundError as error:
        raise GiveUp(f"The input file {batch.input_file_id} is gone.") from error
    return report


def _read(
    rerun: Rerun, page: list[Result], requests: Requests, report: Report
) -> dict[int, Entry]:
    """Return the page's answers by the answer each is to replace."""
    numbers = {one.custom_id: number_of(ANSWER, one.custom_id) for one in page}
    parents = Candidate.objects.filter(
        pk__in=[number for number in numbers.values() if number is not None],
        item__project=rerun.queue.project_id,
    )
    known = set(parents.values_list("pk", flat=True))
    found = {}
    for result in page:
        number = numbers[result.custom_id]
        if number not in known:
            report.skipped["without an answer before"] += 1
            continue
        try:
            entry = read_entry(result, requests)
        except Skipped as cause:
            report.skipped[str(cause)] += 1
            continue
        entry.candidate.parent_id = number
        found[number] = entry
    return found


def _take(rerun: Rerun, entries: dict[int, Entry], report: Report) -> None:
    if not entries:
        return
    with transaction.atomic():
        stored = store_entries(rerun.queue.project_id, list(entries.values()))
        before = Candidate.objects.select_related("item").in_bulk(entries)
        _reserve_alike(before, entries)
        places = Q(*(Q(batch_id=b, line=line) for b, line in stored), _connector=Q.OR)
        after = Candidate.objects.filter(places, parent__in=entries).order_by("pk")
        couples = [
            Couple(one.item_id, (before[one.parent_id], one))
            for one in after
            if one.parent_id is not None
        ]
        report.tasks += make_couples(rerun.queue, couples, [REASON])
    report.answers += len(couples)


def _reserve_alike(before: dict[int, Candidate], entries: dict[int, Entry]) -> None:
    """Keep a corrected prompt in the split that its original is reserved for."""
    for number, entry in entries.items():
        lock = before[number].item.split_lock
        if lock:
            corrected = Item.objects.filter(pk=entry.candidate.item_id, split_lock="")
            corrected.update(split_lock=lock)
