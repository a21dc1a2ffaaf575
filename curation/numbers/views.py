"""The page of a queue's numbers, and the same to download; for leads."""

from typing import Any

from django.core.cache import cache
from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render

from curation.audit.recording import person, record
from curation.models import Queue
from curation.models.audit_event import Action
from curation.models.queue import Mode
from curation.numbers.downloads import as_csv, as_json
from curation.numbers.plots import (
    BARE_SHARES,
    BEYOND_CHANCE,
    SHARES,
    Line,
    Plot,
    grid,
    plot,
    points,
)
from curation.numbers.records import Judge, Numbers
from curation.numbers.report import JUDGE_SAYS, numbers_of
from curation.review import access
from curation.review.views.answers import page
from curation.statistics.bradley_terry import MEAN_POINTS

KEPT_SECONDS = 20
NAMES = {"first": "the first", "second": "the second", "tie": "neither"}


@page("GET")
def numbers(request: HttpRequest, queue_id: int) -> HttpResponse:
    """Show a queue's numbers as plots, each with its table."""
    queue = access.get_led_queue(request.user, queue_id)
    found = _numbers(queue)
    context = {
        "queue": queue,
        "numbers": found,
        "plots": _plots(found),
        "judges": [_judge(judge, number) for number, judge in enumerate(found.judges)],
    }
    return render(request, "curation/numbers/page.html", context)


@page("GET")
def download_csv(request: HttpRequest, queue_id: int) -> HttpResponse:
    """Return the numbers as CSV, one a line."""
    queue = access.get_led_queue(request.user, queue_id)
    response = HttpResponse(as_csv(_numbers(queue)), content_type="text/csv")
    _note(request, queue, "numbers as CSV")
    return _attached(response, f"queue-{queue.pk}-numbers.csv")


@page("GET")
def download_json(request: HttpRequest, queue_id: int) -> HttpResponse:
    """Return the numbers as JSON."""
    queue = access.get_led_queue(request.user, queue_id)
    response = JsonResponse(as_json(_numbers(queue)))
    _note(request, queue, "numbers as JSON")
    return _attached(response, f"queue-{queue.pk}-numbers.json")


def _note(request: HttpRequest, queue: Queue, detail: str) -> None:
    by, project_id = person(request.user), queue.project_id
    with transaction.atomic():
        record(Action.DOWNLOADED, by, queue, project_id=project_id, detail=detail)


def _attached(response: HttpResponse, filename: str) -> HttpResponse:
    response["Content-Disposition"] = f'attachment; filename="{filename}"'
    return response


def _numbers(queue: Queue) -> Numbers:
    """Return a queue's numbers, up to some seconds old; each looks at all votes."""
    found = cache.get_or_set(
        f"vllm_batch.numbers.{queue.pk}", lambda: numbers_of(queue), KEPT_SECONDS
    )
    assert isinstance(found, Numbers)  # noqa: S101 - for the type checker
    return found


def _plots(found: Numbers) -> dict[str, Plot]:
    rated = [Line(one.name, one.rating) for one in found.standings]
    rates = [Line(one.name, one.record.rate) for one in found.standings]
    changes = [Line(one.name, one.record.rate) for one in found.changes]
    left = [Line(one.name, one.left, one.leans) for one in found.reviewers if one.wins]
    kappas = [Line(" and ".join(one.names), one.kappa) for one in found.pairs]
    title = "Answers called good" if found.mode == Mode.SINGLE else "Win rates"
    plots = [
        plot("ratings", "Ratings", rated, points(rated, MEAN_POINTS)),
        plot("rates", title, rates, SHARES),
        plot("changes", "Win rates after a correction", changes, SHARES),
        plot("left", "Picks of the left answer", left, SHARES),
        plot("kappas", "Cohen's kappa", kappas, BEYOND_CHANCE),
    ]
    return {one.key: one for one in plots if any(line.x for line in one.lines)}


def _judge(judge: Judge, number: int) -> dict[str, Any]:
    """Return what the page shows of a judge, with the verdicts in words."""
    names = [NAMES[name] for name in JUDGE_SAYS]
    found = list(zip(names, judge.found, strict=True))
    lines = [Line(f"people say {name}", estimate) for name, estimate in found]
    return {
        "judge": judge,
        "names": names,
        "rows": list(zip(names, judge.table, strict=True)),
        "found": found,
        "grid": grid(f"grid-{number}", f"{judge.name} and people", names, judge.table),
        "plot": plot(f"judge-{number}", "The judge says so, too", lines, BARE_SHARES),
    }
