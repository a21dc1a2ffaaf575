"""Parts of the page that it fetches again: differences, last decisions, progress."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from curation.judging.opinions import opinions_of
from curation.models import Candidate, Review
from curation.review import access
from curation.review.actions.reviewing import recent_reviews
from curation.review.cards import letter_of, line_of
from curation.review.diffing import UNITS, TooLarge, diff
from curation.review.progress import pace_seconds, progress_of
from curation.review.views.answers import call
from vllm_batch.lib.errors import InvalidRequest


@call("GET")
def differences(request: HttpRequest, review_id: int) -> HttpResponse:
    """Compare the first two answers, or an answer with its correction (`side`)."""
    review = access.get_review(request.user, review_id)
    unit = request.GET.get("unit", "word")
    if unit not in UNITS:
        raise InvalidRequest("unit must be word or line.", param="unit")
    left, right, title = _compared(review, request.GET.get("side"))
    context: dict[str, Any] = {"title": title, "unit": unit}
    try:
        context["parts"] = diff(left, right, unit)
    except TooLarge:
        context["is_too_large"] = True
    return render(request, "curation/review/differences.html", context)


def _compared(review: Review, side: str | None) -> tuple[str, str, str]:
    order = review.shown_order
    texts = {one.pk: one.text for one in Candidate.objects.filter(pk__in=order)}
    if side is None:
        if len(order) < 2:
            raise InvalidRequest("There is one answer only.", param="side")
        return texts[order[0]], texts[order[1]], "A, and what B has instead"
    if not side.isascii() or not side.isdigit() or not int(side[:3]) < len(order):
        raise InvalidRequest("There is no such side.", param="side")
    pk = order[int(side[:3])]
    title = f"{letter_of(int(side[:3]))}, and your correction"
    return texts[pk], review.edits.get(str(pk), texts[pk]), title


@call("GET")
def rail(request: HttpRequest, queue_id: int) -> HttpResponse:
    """Show the person's last ten decisions, with the models' names, and their pace."""
    queue = access.get_queue(request.user, queue_id)
    recent = recent_reviews(queue, access.key_of(request.user))
    shown = {pk for review in recent for pk in review.shown_order}
    candidates = Candidate.objects.only("model").in_bulk(shown)
    opinions = opinions_of(review.task_id for review in recent)
    lines = [
        line_of(review, candidates, queue.mode, opinions.get(review.task_id))
        for review in recent
    ]
    context = {"lines": lines, "pace": pace_seconds(recent)}
    return render(request, "curation/review/rail.html", context)


@call("GET")
def progress(request: HttpRequest, queue_id: int) -> HttpResponse:
    """Show how far the queue is."""
    queue = access.get_queue(request.user, queue_id)
    context = {"progress": progress_of([queue])[queue.pk], "queue": queue}
    return render(request, "curation/review/progress.html", context)
