"""What the page's script asks for: the next review, saves, undo, leases."""

import re

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.template.loader import render_to_string

from curation.models import Candidate, Queue, Review
from curation.models.task import State
from curation.review import access
from curation.review.actions import leases, reviewing
from curation.review.cards import Card, letter_of
from curation.review.exceptions import ReviewChanged, SlotTaken
from curation.review.saving import (
    MOST_HELD_IDS,
    Save,
    read_body,
    read_ids,
    read_mutation,
    read_save,
)
from curation.review.views.answers import call, refusal


@call("POST")
def take_next(request: HttpRequest, queue_id: int) -> HttpResponse:
    """Lease the next review and show it; an empty card if there is none."""
    queue = access.get_queue(request.user, queue_id)
    besides = read_ids(read_body(request.body), "besides")
    review = leases.take_next(queue, request.user, besides)
    return _card(request, review, queue)


def _card(request: HttpRequest, review: Review | None, queue: Queue) -> HttpResponse:
    if review is None:
        holds_most = leases.holds_most(queue, request.user)
        context = {"queue": queue, "holds_most": holds_most}
        return render(request, "curation/review/empty.html", context)
    card = {"card": Card(review, queue)}
    return render(request, "curation/review/card.html", card)


@call("POST")
def heartbeat(request: HttpRequest, queue_id: int) -> HttpResponse:
    """Renew the leases of what is on the page; say which ones are still held."""
    queue = access.get_queue(request.user, queue_id)
    ids = read_ids(read_body(request.body), "reviews")
    return JsonResponse({"held": leases.keep(queue, request.user, ids)})


@call("POST")
def release(request: HttpRequest, queue_id: int) -> HttpResponse:
    """Give slots back: the page is being left. A form, because a beacon sends one."""
    queue = access.get_queue(request.user, queue_id)
    sent = request.POST.getlist("reviews")[:MOST_HELD_IDS]
    ids = [int(each) for each in sent if re.fullmatch("[0-9]{1,18}", each)]
    leases.release(queue, request.user, ids)
    return HttpResponse(status=204)


@call("POST")
def draft(request: HttpRequest, review_id: int) -> HttpResponse:
    """Keep what was written so far."""
    review = access.get_review(request.user, review_id)
    save = read_save(read_body(request.body), len(review.shown_order))
    try:
        review = reviewing.save_draft(review_id, save)
    except ReviewChanged as changed:
        return _to_merge(changed, save)
    return _saved(review)


@call("POST")
def submit(request: HttpRequest, review_id: int) -> HttpResponse:
    """Cast the vote."""
    review = access.get_review(request.user, review_id)
    body = read_body(request.body)
    save = read_save(body, len(review.shown_order), is_final=True)
    try:
        review = reviewing.submit(review_id, save)
    except ReviewChanged as changed:
        return _to_merge(changed, save)
    except SlotTaken as taken:
        kept = reviewing.save_draft(review_id, save)
        return refusal(taken, version=kept.version, status=kept.status)
    return _saved(review)


@call("POST")
def undo(request: HttpRequest, review_id: int) -> HttpResponse:
    """Retract a decision and show it again."""
    review = access.get_review(request.user, review_id)
    queue = review.task.queue
    mutation_id = read_mutation(read_body(request.body))
    again = reviewing.undo(review_id, mutation_id)
    again.task.item = review.task.item
    return _card(request, again, queue)


def _saved(review: Review) -> JsonResponse:
    body = {"id": review.pk, "version": review.version, "status": review.status}
    is_decided = review.task.state == State.DONE
    return JsonResponse({**body, "is_decided": is_decided})


def _to_merge(refused: ReviewChanged, save: Save) -> JsonResponse:
    """Show what is stored beside what was sent, so that nothing is lost."""
    review = refused.review
    order = review.shown_order
    texts = Candidate.objects.in_bulk(order)
    sides = []
    for side, pk in enumerate(order):
        original = texts[pk].text
        yours = save.content.edits.get(side, original)
        theirs = review.edits.get(str(pk), original)
        if yours != theirs:
            letter = letter_of(side)
            row = {"side": side, "letter": letter, "yours": yours, "theirs": theirs}
            sides.append(row)
    context = {
        "sides": sides,
        "note": save.content.note,
        "their_note": review.note,
        "review": review,
    }
    html = render_to_string("curation/review/merge.html", context)
    return refusal(refused, version=review.version, status=review.status, merge=html)
